namespace Mesh.Testing;

/// <summary>The languages of the programs in tests/interop.</summary>
public enum Language
{
    /// <summary>JavaScript on @grpc/grpc-js.</summary>
    Node,

    /// <summary>Python on the system's grpcio.</summary>
    Python,
}

/// <summary>Starts the gRPC programs that are not ours, once what they need is installed or generated.</summary>
public static class InteropProgram
{
    // The system's own interpreter: another one on PATH would not have its packages.
    private const string Python = "/usr/bin/python3";
    private const string PythonPlugin = "/usr/bin/grpc_python_plugin";

    private static readonly Lazy<Task<string>> NodeFolder = new(InstallNodePackagesAsync);
    private static readonly Lazy<Task<string>> PythonStubs = new(GeneratePythonStubsAsync);

    /// <summary>Starts a program of tests/interop.</summary>
    /// <param name="language">Which of them.</param>
    /// <param name="name">The program: client, server or load.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <exception cref="InvalidOperationException">A program that it needs is missing; the message says what to install.</exception>
    public static async Task<ChildProgram> StartAsync(Language language, string name, params string[] arguments)
    {
        var environment = new Dictionary<string, string> { ["no_proxy"] = "localhost,127.0.0.1", ["no_grpc_proxy"] = "localhost,127.0.0.1" };
        if (language == Language.Node)
        {
            var folder = await NodeFolder.Value;
            return ChildProgram.Start("node", [Path.Combine(folder, name + ".js"), .. arguments], folder, environment);
        }
        environment["PYTHONPATH"] = await PythonStubs.Value;
        environment["PYTHONDONTWRITEBYTECODE"] = "1";
        return ChildProgram.Start(Python, [Repository.PathOf("tests", "interop", "python", name + ".py"), .. arguments], null, environment);
    }

    /// <summary>Runs a command that an npm package brings to its end, such as buf.</summary>
    /// <param name="name">The command.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">The folder to run in.</param>
    /// <returns>The lines of its standard output.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it wrote.</exception>
    public static async Task<IReadOnlyList<string>> RunToolAsync(string name, IEnumerable<string> arguments, string folder)
    {
        var tools = Path.Combine(await NodeFolder.Value, "node_modules", ".bin");
        return await ChildProgram.RunAsync(Path.Combine(tools, name), arguments, folder);
    }

    private static async Task<string> InstallNodePackagesAsync()
    {
        var folder = Repository.PathOf("tests", "interop", "node");
        var installed = new FileInfo(Path.Combine(folder, "node_modules", ".package-lock.json"));
        if (!installed.Exists || installed.LastWriteTimeUtc < File.GetLastWriteTimeUtc(Path.Combine(folder, "package-lock.json")))
            await ChildProgram.RunAsync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder);
        return folder;
    }

    private static async Task<string> GeneratePythonStubsAsync()
    {
        if (!File.Exists(Python) || !File.Exists(PythonPlugin))
            throw new InvalidOperationException($"{Python} or {PythonPlugin} is missing: apt-get install python3-grpcio protobuf-compiler-grpc.");
        await RunOrExplainAsync(Python, ["-c", "import grpc, google.protobuf"], "python3-grpcio python3-protobuf");
        var folder = new TempFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Dispose();
        string[] roots = [Repository.PathOf("protos"), Repository.PathOf("tests", "Mesh.Grpc.Tests", "protos"), Repository.PathOf("tests", "interop", "protos")];
        string[] files = ["google/rpc/status.proto", "google/rpc/error_details.proto", "mesh/testing/v1/test.proto",
            "mesh/common/v1/work.proto", "mesh/image/v1/image_service.proto", "mesh/stage/v1/stage_service.proto",
            "mesh/gateway/v1/gateway_service.proto", "mesh/trainer/v1/trainer_service.proto", "google/longrunning/operations.proto", "health.proto", "reflection_v1.proto", "reflection_v1alpha.proto"];
        string[] arguments = [.. roots.Select(root => "-I" + root), "--python_out=" + folder.Path, "--grpc_out=" + folder.Path,
            "--plugin=protoc-gen-grpc=" + PythonPlugin, .. files];
        await RunOrExplainAsync("protoc", arguments, "protobuf-compiler protobuf-compiler-grpc");
        return folder.Path;
    }

    private static async Task RunOrExplainAsync(string file, IEnumerable<string> arguments, string packages)
    {
        try
        {
            await ChildProgram.RunAsync(file, arguments);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidOperationException($"{e.Message}\nIs it installed? apt-get install {packages}", e);
        }
    }
}
