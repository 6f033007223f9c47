using Mesh.Decoder;
using Mesh.Hosting;

return await ServiceProgram.RunAsync(() => DecoderApp.Create(args));
