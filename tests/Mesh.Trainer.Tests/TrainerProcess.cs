using System.Globalization;
using Grpc.Net.Client;
using Mesh.Contracts.Trainer.V1;
using Mesh.Testing;

namespace Mesh.Trainer.Tests;

/// <summary>A trainer in a process of its own.</summary>
internal sealed class TrainerProcess : IAsyncDisposable
{
    private readonly ChildProgram _program;
    private readonly GrpcChannel _channel;

    private TrainerProcess(ChildProgram program, string address)
    {
        (_program, Address) = (program, address);
        _channel = GrpcChannel.ForAddress(address);
        Jobs = new TrainerService.TrainerServiceClient(_channel);
    }

    public TrainerService.TrainerServiceClient Jobs { get; }

    /// <summary>Where it listens, with the scheme.</summary>
    public string Address { get; }

    /// <summary>Starts one and waits until it listens.</summary>
    /// <param name="root">Its root folder.</param>
    /// <param name="redis">Its queue.</param>
    /// <param name="lease">Seconds.</param>
    /// <param name="more">Further arguments.</param>
    public static async Task<TrainerProcess> StartAsync(string root, string redis, double lease, params string[] more)
    {
        string[] arguments =
        [
            "-c", "trap '' XFSZ; exec \"$@\"", "sh", "dotnet", Path.Combine(AppContext.BaseDirectory, "Mesh.Trainer.dll"), $"--Mesh:Trainer:Root={root}", $"--Mesh:Trainer:Redis={redis}",
            string.Create(CultureInfo.InvariantCulture, $"--Mesh:Trainer:Lease={TimeSpan.FromSeconds(lease)}"), "--Mesh:Listen:Grpc=127.0.0.1:0", "--Mesh:Device:Name=cpu", .. more,
        ];
        var program = ChildProgram.Start("/bin/sh", arguments, environment: new Dictionary<string, string> { ["MESH_PARENT"] = "stdin", ["OMP_NUM_THREADS"] = "1" });
        while (true)
        {
            var line = await program.ReadLineAsync();
            if (line.IndexOf("http://", StringComparison.Ordinal) is >= 0 and var at && line.Contains("listens for gRPC", StringComparison.Ordinal))
                return new TrainerProcess(program, line[at..].Trim());
        }
    }

    public async Task<Job> SubmitAsync(string kind, string specification) =>
        (await Jobs.SubmitJobAsync(new SubmitJobRequest { Kind = kind, Specification = Workshop.Read(specification) }).ResponseAsync.DefaultTimeout()).Job;

    public Task<List<WatchJobResponse>> WatchAsync(string id, Func<WatchJobResponse, bool>? until = null) => RunningTrainer.WatchAsync(Jobs, id, until);

    public async Task<Job> GetAsync(string id) => (await Jobs.GetJobAsync(new GetJobRequest { Id = id }).ResponseAsync.DefaultTimeout()).Job;

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _program.Kill();
        await _program.WaitForExitAsync();
    }

    /// <summary>SIGSTOP or SIGCONT.</summary>
    public async Task SignalAsync(string signal) => await ChildProgram.RunAsync("kill", [signal, $"{_program.Id}"]);

    /// <summary>From now on no file grows beyond so many bytes: what a full disk is to who writes.</summary>
    public async Task LimitFilesAsync(string bytes) => await ChildProgram.RunAsync("prlimit", ["--pid", $"{_program.Id}", $"--fsize={bytes}:"]);

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _program.DisposeAsync();
    }
}
