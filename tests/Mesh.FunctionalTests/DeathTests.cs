using Mesh.Contracts.Image.V1;
using Mesh.Decoder;
using Mesh.Generator;
using Mesh.Testing;
using Mesh.TextEncoder;

namespace Mesh.FunctionalTests;

/// <summary>A stage that is a process of its own is killed as kill -9 does, in the midst of a request, and started again.</summary>
public sealed class DeathTests
{
    private const string Prompt = "3d emoji of a red apple";

    [Theory]
    [InlineData("Text")]
    [InlineData("Generator")]
    [InlineData("Decoder")]
    public async Task Generate_StageIsKilledAndReturns_EveryImageComes(string stage)
    {
        using var folder = new TempFolder();
        var endpoint = "unix:" + folder.File("stage.sock");
        var first = Start(stage, endpoint);
        await using var mesh = await RunningMesh.StartAsync(($"Mesh:Stages:{stage}:0", endpoint), ("Mesh:Stages:Wait", "00:01:00"));
        using var calls = new MeshCalls(mesh.Address);
        var before = await calls.DrawAsync(Prompt, 3);

        ChildProgram? second = null;
        var completed = 0;
        // Unknown to the cache, so that the text stage is asked once it is dead.
        var request = new GenerateRequest { Prompt = "3d emoji of a green frog", Count = 24, Seeds = { 0 } };
        if (stage == "Text") await KillAsync(first);
        var drawing = calls.DrawAsync(request, item =>
        {
            // Three images are there, the others are on their way.
            if (stage == "Text" || item.Completed is null || second is not null || ++completed < 3) return;
            first.Kill();
            second = Start(stage, endpoint);
        });
        if (stage == "Text") second = Start(stage, endpoint);

        (await drawing).Count.ShouldBe(24);

        (await calls.DrawAsync(Prompt, 3)).File.ShouldBe(before.File);
        await first.DisposeAsync();
        await second!.DisposeAsync();
    }

    private static async Task KillAsync(ChildProgram program)
    {
        program.Kill();
        await program.WaitForExitAsync();
    }

    private static ChildProgram Start(string stage, string endpoint)
    {
        var program = stage switch
        {
            "Text" => typeof(TextEncoderApp),
            "Generator" => typeof(GeneratorApp),
            _ => typeof(DecoderApp),
        };
        return ChildProgram.Start("dotnet",
        [
            "exec", program.Assembly.Location, $"--Mesh:Listen:Grpc={endpoint}", "--Mesh:Device:Name=cpu",
            $"--Mesh:Models:{RunningMesh.Emoji}:Folder={Repository.PathOf("deploy", "models", "emoji")}", $"--Mesh:DefaultModel={RunningMesh.Emoji}",
        ]);
    }
}
