using Mesh.Hosting;
using Mesh.Upsampler;

return await ServiceProgram.RunAsync(() => UpsamplerApp.Create(args));
