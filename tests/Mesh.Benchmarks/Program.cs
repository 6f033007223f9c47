using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Mesh.Benchmarks.Grpc;
using Mesh.Benchmarks.Torch;

// `Mesh.Benchmarks VERB ...` runs one of these; anything else goes to BenchmarkDotNet, such as `--filter '*Unary*'` or `--list flat`.
var verbs = new Dictionary<string, Func<string[], Task<int>>>
{
    ["load"] = LoadCommand.RunAsync,
    ["load-server"] = LoadServer.RunAsync,
    ["load-client"] = LoadClient.RunAsync,
    ["torch"] = TorchBenchmark.RunAsync,
};

if (args is [var verb, .. var rest] && verbs.TryGetValue(verb, out var run))
    return await run(rest);

// In this process: what BenchmarkDotNet would generate and build apart does not know how this tree is built.
var config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config);
return 0;
