using System.Globalization;
using Mesh.Imaging;
using Mesh.Testing;
using Xunit.Abstractions;

namespace Mesh.Models.GoldenTests;

/// <summary>What a user does with a published one-step checkpoint, in a process of its own, so that its memory can be told.</summary>
public sealed class FullSizeFolderTests(ITestOutputHelper output)
{
    private const double MostBytes = 12e9;
    private const int Side = 512;

    [FullSizeFact]
    public async Task Generate_FullSizeFolder_MakesAPictureOf512PixelsInUnder12Gigabytes()
    {
        using var folder = new TempFolder();
        var model = Directory.CreateDirectory(folder.File("model")).FullName;
        FullSizeFolder.Write(model);
        var (program, picture) = (Path.Combine(AppContext.BaseDirectory, "mesh.dll"), folder.File("picture.png"));

        // Throws where the program's exit code is not 0, and ends it after a time.
        var lines = await ChildProgram.RunAsync(
            "dotnet",
            [program, "generate", "--local", model, "a small house by the sea at dawn", "--seed", "0", "--out", picture],
            environment: new Dictionary<string, string> { ["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location });

        output.WriteLine(string.Join('\n', lines));
        lines[0].ShouldEndWith("recipe instaflow");
        var image = ImageCodec.Decode(await File.ReadAllBytesAsync(picture));
        (image.Width, image.Height).ShouldBe((Side, Side));
        image.Pixels.Distinct().Count().ShouldBeGreaterThan(32, "the picture is as good as empty");
        lines[^1].ShouldStartWith(StartupHook.Label);
        var peak = long.Parse(lines[^1].AsSpan(StartupHook.Label.Length), CultureInfo.InvariantCulture) * 1024;
        ((double)peak).ShouldBeInRange(FullSizeFolder.Bytes, MostBytes);
    }
}

/// <summary>A fact that needs disk space for a full-size model, and Linux to tell a process's peak of memory.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class FullSizeFactAttribute : FactAttribute
{
    public FullSizeFactAttribute()
    {
        var temporary = Path.GetTempPath();
        var free = new DriveInfo(temporary).AvailableFreeSpace;
        if (!OperatingSystem.IsLinux())
            Skip = "NOT TESTED: a process's peak of memory is read from Linux's /proc";
        else if (free < FullSizeFolder.Bytes)
            Skip = $"NOT TESTED: {temporary} has {free / 1e9:0.0} GB free of the {FullSizeFolder.Bytes / 1e9:0.0} GB that a full-size model takes; point TMPDIR elsewhere";
    }
}
