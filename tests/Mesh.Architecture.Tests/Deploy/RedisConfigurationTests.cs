using System.Globalization;
using Mesh.Testing;

namespace Mesh.Architecture.Tests.Deploy;

/// <summary>The two roles of Redis, as a real server understands their files.</summary>
public sealed class RedisConfigurationTests
{
    [Fact]
    public async Task RedisCache_Memory_IsBoundedAndOldEntriesGiveWay()
    {
        var settings = await AskAsync("redis-cache", "maxmemory", "maxmemory-policy", "appendonly", "save");

        settings["maxmemory-policy"].ShouldBe("allkeys-lru");
        long.Parse(settings["maxmemory"], CultureInfo.InvariantCulture).ShouldBe(1L << 30);
        settings["appendonly"].ShouldBe("no");
        settings["save"].ShouldBe("");
    }

    [Fact]
    public async Task RedisQueue_Entries_AreNeverEvictedAndOnDisk()
    {
        var settings = await AskAsync("redis-queue", "maxmemory", "maxmemory-policy", "appendonly", "appendfsync");

        settings["maxmemory-policy"].ShouldBe("noeviction");
        long.Parse(settings["maxmemory"], CultureInfo.InvariantCulture).ShouldBe(256L << 20);
        settings["appendonly"].ShouldBe("yes");
        settings["appendfsync"].ShouldBe("everysec");
    }

    [Theory]
    [InlineData("redis-cache", 1280)]
    [InlineData("redis-queue", 512)]
    public void Redis_Container_HasRoomForItsMemory(string name, int megabytes)
    {
        var service = ComposeFile.Services[name];

        service["deploy"]["resources"]["limits"]["memory"].Text.ShouldBe($"{megabytes}m");
        ComposeFile.Mounts(service).ShouldHaveSingleItem().ShouldBe(($"deploy/docker/{name}.conf", "/etc/redis/redis.conf", "ro"));
        service["command"].Items.Select(x => x.Text).ShouldBe(["redis-server", "/etc/redis/redis.conf"]);
    }

    private static async Task<Dictionary<string, string>> AskAsync(string name, params string[] settings)
    {
        using var folder = new TempFolder();
        var socket = folder.File("redis.sock");
        await using var server = ChildProgram.Start(
            "redis-server", [Repository.PathOf("deploy", "docker", name + ".conf"), "--port", "0", "--unixsocket", socket, "--dir", folder.Path], folder.Path);
        string line;
        do line = await server.ReadLineAsync();
        while (!line.Contains("ready to accept connections", StringComparison.OrdinalIgnoreCase));

        var answers = new Dictionary<string, string>();
        foreach (var setting in settings)
        {
            var lines = await ChildProgram.RunAsync("redis-cli", ["-s", socket, "config", "get", setting]);
            lines[0].ShouldBe(setting);
            answers[setting] = lines.Count > 1 ? lines[1] : "";
        }
        return answers;
    }
}
