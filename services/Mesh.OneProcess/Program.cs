using Mesh.Hosting;
using Mesh.OneProcess;

return await ServiceProgram.RunAsync(() => OneProcessMesh.RunAsync(args));
