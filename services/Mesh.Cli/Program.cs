using System.Runtime.InteropServices;
using Mesh.Cli;

using var stop = new CancellationTokenSource();

// The first signal asks; a second one ends this program at once, and its children end by themselves when it is gone.
void Ask(PosixSignalContext context)
{
    context.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Ask);
ParentInput.Watch(stop.Cancel);
return await CommandTree.RunAsync(args, Console.Out, Console.Error, stop.Token);
