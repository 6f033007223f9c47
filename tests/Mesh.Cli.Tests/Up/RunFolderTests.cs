using System.Net;
using System.Net.Sockets;
using Mesh.Cli.Up;
using Mesh.Testing;

namespace Mesh.Cli.Tests.Up;

public sealed class RunFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Take_Twice_SaysWhoHasIt()
    {
        using var first = RunFolder.Take(_folder.File("run"));

        Should.Throw<IOException>(() => RunFolder.Take(_folder.File("run"))).Message
            .ShouldBe($"a mesh runs already in {_folder.File("run")} (process {Environment.ProcessId}): stop that one, or give this one another folder with --run and other ports");
    }

    [Fact]
    public void Take_AfterTheFirstWasLetGo_HasNoOldSocketsAndKeepsTheLog()
    {
        using (var first = RunFolder.Take(_folder.File("run")))
        {
            File.WriteAllText(first.StartLog("text"), "old");
            File.WriteAllText(first.Socket("text"), "");
        }

        using var second = RunFolder.Take(_folder.File("run"));

        File.Exists(second.Socket("text")).ShouldBeFalse();
        File.Exists(second.StartLog("text")).ShouldBeFalse();
        File.ReadAllText(Path.Combine(second.Logs, "text.previous.log")).ShouldBe("old");
        File.GetUnixFileMode(second.Sockets).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public void Take_FolderThatLiesTooDeep_FindsAShortPlaceForSockets()
    {
        string sockets;
        using (var folder = RunFolder.Take(_folder.File(new string('d', 120))))
        {
            sockets = folder.Sockets;
            _ = new UnixDomainSocketEndPoint(folder.Socket("generator-16"));
            sockets.ShouldNotStartWith(folder.Path);
        }

        Directory.Exists(sockets).ShouldBeFalse();
    }

    [Theory]
    [InlineData("50051", "127.0.0.1:50051", "http://127.0.0.1:50051")]
    [InlineData("localhost:1", "127.0.0.1:1", "http://127.0.0.1:1")]
    [InlineData("0.0.0.0:80", "0.0.0.0:80", "http://127.0.0.1:80")]
    [InlineData("*:80", "[::]:80", "http://127.0.0.1:80")]
    [InlineData("[::1]:65535", "[::1]:65535", "http://[::1]:65535")]
    public void Place_Written_IsReadAndReached(string text, string services, string client)
    {
        var place = ListenPlace.Parse(text, "--grpc");

        (place.ToString(), place.ForClient(isSecure: false)).ShouldBe((services, client));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("host:80")]
    [InlineData("127.0.0.1:")]
    [InlineData("-1")]
    public void Place_WrittenWrongly_IsRefusedByOption(string text) =>
        Should.Throw<ArgumentException>(() => ListenPlace.Parse(text, "--http")).Message.ShouldStartWith("--http");

    [Fact]
    public async Task WaitFree_PortTaken_SaysWhichOptionHelps()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var place = new ListenPlace(IPAddress.Loopback, ((IPEndPoint)other.LocalEndpoint).Port);

        var fault = await Should.ThrowAsync<IOException>(() => place.WaitFreeAsync("--grpc", TimeSpan.Zero, default).DefaultTimeout());

        fault.Message.ShouldBe($"{place} is taken by another program; choose another port with --grpc");
    }
}
