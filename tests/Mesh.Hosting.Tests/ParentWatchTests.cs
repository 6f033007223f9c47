using System.IO.Pipes;
using Mesh.Testing;

namespace Mesh.Hosting.Tests;

public sealed class ParentWatchTests
{
    [Fact]
    public async Task Begin_OtherEndCloses_CallsBackThenAndNotBefore()
    {
        using var parent = new AnonymousPipeServerStream(PipeDirection.Out);
        using var child = new AnonymousPipeClientStream(PipeDirection.In, parent.ClientSafePipeHandle);
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        ParentWatch.Begin(child, gone.SetResult);
        parent.Write("words mean nothing"u8);
        gone.Task.IsCompleted.ShouldBeFalse();
        parent.Dispose();

        await gone.Task.DefaultTimeout();
    }
}
