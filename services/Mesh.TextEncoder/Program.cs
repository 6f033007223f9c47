using Mesh.Hosting;
using Mesh.TextEncoder;

return await ServiceProgram.RunAsync(() => TextEncoderApp.Create(args));
