using Mesh.Generator;
using Mesh.Hosting;

return await ServiceProgram.RunAsync(() => GeneratorApp.Create(args));
