using Mesh.Gateway;
using Mesh.Hosting;

return await ServiceProgram.RunAsync(() => GatewayApp.Create(args)).ConfigureAwait(false);
