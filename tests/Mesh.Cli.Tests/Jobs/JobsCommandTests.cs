using Mesh.Hosting;
using Mesh.Imaging;
using Mesh.Testing;
using Mesh.Trainer;
using Mesh.Training.Data;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Cli.Tests.Jobs;

/// <summary><c>mesh jobs</c> against a trainer that runs.</summary>
public sealed class JobsCommandTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private RedisServer _redis = null!;
    private WebApplication _trainer = null!;

    public async Task InitializeAsync()
    {
        PictureShards.Write(
            _folder.File("data"), "", Enumerable.Range(0, 4).Select(x => Image.Filled(16, 16, (byte)(60 * x), 20, 90)),
            Enumerable.Range(0, 4).Select(x => $$"""{"captions": ["picture {{x}}"], "style": "flat", "split": "train"}"""));
        _redis = await RedisServer.StartAsync(appendOnly: true);
        _trainer = TrainerApp.Create([], new Dictionary<string, string?>
        {
            ["Mesh:Trainer:Root"] = _folder.Path, ["Mesh:Trainer:Redis"] = _redis.Connection, ["Mesh:Listen:Grpc"] = "127.0.0.1:0", ["Mesh:Device:Name"] = "cpu",
        });
        await _trainer.StartAsync().DefaultTimeout();
    }

    public async Task DisposeAsync()
    {
        await _trainer.StopAsync().DefaultTimeout();
        await _trainer.DisposeAsync().DefaultTimeout();
        await _redis.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Submit_AYamlFile_RunsAndIsToldAndListed()
    {
        var (code, output, error) = await RunAsync("submit", "tokenizer", "--config", Config("data: data\nvocabulary: 520\npositions: 12\n"), "--title", "words", "--watch");

        code.ShouldBe(ExitCode.Done, error);
        var id = output.Split('\n')[0].Trim();
        output.ShouldContain("queued");
        output.ShouldContain($"jobs/{id}/result");
        File.Exists(_folder.File($"jobs/{id}/result/vocab.json")).ShouldBeTrue();
        (await RunAsync("list", "--state", "succeeded")).Output.ShouldContain($"{id}  tokenizer");
        (await RunAsync("list", "--state", "failed")).Output.ShouldBeEmpty();
        (await RunAsync("checkpoints", id)).Output.ShouldContain("result");
        (await RunAsync("watch", id, "--from", "2")).Output.ShouldNotContain("queued");
        (await RunAsync("cancel", id)).Output.ShouldContain("succeeded", Case.Sensitive, "what is over stays as it is");
    }

    [Fact]
    public async Task Submit_WhatIsWrong_IsNamed()
    {
        var (code, _, error) = await RunAsync("submit", "tokenizer", "--config", Config("data: elsewhere\n"));

        code.ShouldBe(ExitCode.Failed);
        error.ShouldContain("specification.data");
        (await RunAsync("promote", "x", "--model", "m", "--evaluation", "y", "--require", "good")).Error.ShouldContain("MEASURE>=NUMBER");
        (await RunAsync("rollback", "emoji")).Code.ShouldBe(ExitCode.Failed);
    }

    private string Config(string yaml)
    {
        var path = _folder.File("job.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandTree.RunAsync(["jobs", .. words, "--address", _trainer.Addresses().Grpc], output, error).DefaultTimeout();
        return (code, output.ToString(), error.ToString());
    }
}
