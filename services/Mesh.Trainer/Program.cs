using Mesh.Hosting;
using Mesh.Trainer;

return await ServiceProgram.RunAsync(() => TrainerApp.Create(args));
