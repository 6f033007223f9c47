using System.Collections.Concurrent;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Gateway.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using GenerateHandler = System.Func<Mesh.Contracts.Image.V1.GenerateRequest, Grpc.Core.IServerStreamWriter<Mesh.Contracts.Image.V1.GenerateResponse>, Grpc.Core.ServerCallContext, System.Threading.Tasks.Task>;
using UpscaleHandler = System.Func<Mesh.Contracts.Image.V1.UpscaleRequest, Grpc.Core.IServerStreamWriter<Mesh.Contracts.Image.V1.UpscaleResponse>, Grpc.Core.ServerCallContext, System.Threading.Tasks.Task>;

namespace Mesh.Client.Tests;

/// <summary>A gateway on a real socket that does what the test tells it to; what nobody tells it, it does as the contract says.</summary>
internal sealed class FakeGateway : IAsyncDisposable
{
    public const string ModelId = "fake";
    private readonly TestServer _server;

    private readonly bool _isPlain;

    private FakeGateway(TestServer server, Script script, bool isPlain) => (_server, Told, _isPlain) = (server, script, isPlain);

    /// <summary>What the test wants of it.</summary>
    public Script Told { get; }

    public TestServer Server => _server;

    /// <summary>Of its plain text transport.</summary>
    public string Address => $"http://127.0.0.1:{_server.Port()}";

    public static async Task<FakeGateway> StartAsync(params Transport[] transports)
    {
        var script = new Script();
        var server = await TestServer.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton(script);
            },
            app =>
            {
                app.MapGrpcService<Images>();
                app.MapGrpcService<Gateway>();
            },
            transports);
        return new FakeGateway(server, script, transports is [] || transports.Contains(Transport.Plain));
    }

    /// <summary>A client of it that tries again without losing time.</summary>
    public MeshClient CreateClient(Action<MeshClientOptions>? change = null)
    {
        var options = new MeshClientOptions { RetryBackoff = TimeSpan.FromMilliseconds(1), Deadline = TimeSpan.FromSeconds(30) };
        if (change is null || _isPlain) options.Address = Address;
        change?.Invoke(options);
        return new MeshClient(options);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>The file that a seed gives here.</summary>
    public static byte[] FileOf(ulong seed, int length = 100_000)
    {
        var bytes = new byte[length];
        new Random((int)seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Fails a call as the mesh does: with a status in the trailer.</summary>
    public static RpcException Fault(StatusCode code, string reason, string message, params IMessage[] details)
    {
        var trailers = new Metadata { { "grpc-status-details-bin", StatusOf(code, reason, message, details).ToByteArray() } };
        return new RpcException(new Grpc.Core.Status(code, message), trailers);
    }

    public static Google.Rpc.Status StatusOf(StatusCode code, string reason, string message, params IMessage[] details)
    {
        var status = new Google.Rpc.Status { Code = (int)code, Message = message };
        status.Details.Add(Google.Protobuf.WellKnownTypes.Any.Pack(new ErrorInfo { Reason = reason, Domain = "mesh", Metadata = { ["limit"] = "4" } }));
        foreach (var detail in details) status.Details.Add(Google.Protobuf.WellKnownTypes.Any.Pack(detail));
        return status;
    }

    internal sealed class Script
    {
        public ConcurrentQueue<GenerateRequest> Generated { get; } = new();

        public ConcurrentQueue<UpscaleRequest> Upscaled { get; } = new();

        public ConcurrentQueue<Metadata> Headers { get; } = new();

        public GenerateHandler OnGenerate { get; set; } = Answers.GenerateAsync;

        public UpscaleHandler OnUpscale { get; set; } = Answers.UpscaleAsync;

        public Func<GetCapabilitiesResponse> OnCapabilities { get; set; } = () => new GetCapabilitiesResponse { MaxCount = 64, DefaultModel = ModelId };

        public Func<ListModelsRequest, ListModelsResponse> OnListModels { get; set; } = _ => new ListModelsResponse();

        public Func<GetStatusResponse> OnStatus { get; set; } = () => new GetStatusResponse { Build = "test" };

        public Func<string, ReplicaOutcome> OnModel { get; set; } = _ => new ReplicaOutcome { Stage = "text", Address = "unix:/text.sock", Status = new Google.Rpc.Status() };

        /// <summary>Set when a call was cancelled from the other side.</summary>
        public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Images(Script script) : ImageService.ImageServiceBase
    {
        public override async Task Generate(GenerateRequest request, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context)
        {
            script.Generated.Enqueue(request);
            script.Headers.Enqueue(context.RequestHeaders);
            using var told = context.CancellationToken.Register(() => script.Cancelled.TrySetResult());
            try
            {
                await script.OnGenerate(request, responseStream, context);
            }
            catch (InvalidOperationException) when (context.CancellationToken.IsCancellationRequested)
            {
                // The caller had heard enough; what it does not want cannot be written.
            }
        }

        public override async Task Upscale(UpscaleRequest request, IServerStreamWriter<UpscaleResponse> responseStream, ServerCallContext context)
        {
            script.Upscaled.Enqueue(request);
            await script.OnUpscale(request, responseStream, context);
        }

        public override Task<GetCapabilitiesResponse> GetCapabilities(GetCapabilitiesRequest request, ServerCallContext context)
        {
            script.Headers.Enqueue(context.RequestHeaders);
            return Task.FromResult(script.OnCapabilities());
        }

        public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) => Task.FromResult(script.OnListModels(request));
    }

    private sealed class Gateway(Script script) : GatewayService.GatewayServiceBase
    {
        public override Task<GetStatusResponse> GetStatus(GetStatusRequest request, ServerCallContext context) => Task.FromResult(script.OnStatus());

        public override Task<LoadModelResponse> LoadModel(LoadModelRequest request, ServerCallContext context) =>
            Task.FromResult(new LoadModelResponse { Outcomes = { script.OnModel(request.Model.Id) } });

        public override Task<UnloadModelResponse> UnloadModel(UnloadModelRequest request, ServerCallContext context) =>
            Task.FromResult(new UnloadModelResponse { Outcomes = { script.OnModel(request.Model.Id) } });
    }

    /// <summary>Event after event, numbered; the test may stop in between.</summary>
    internal sealed class Answers(GenerateRequest request, IServerStreamWriter<GenerateResponse> stream)
    {
        private const int PieceBytes = 64 * 1024;
        private long _sequence;

        /// <summary>What a mesh without troubles does.</summary>
        public static async Task GenerateAsync(GenerateRequest request, IServerStreamWriter<GenerateResponse> stream, ServerCallContext context)
        {
            var answers = new Answers(request, stream);
            await answers.BeginAsync();
            for (var i = 0; i < request.Count; i++) await answers.ImageAsync(i);
        }

        /// <summary>Enlarges anything to two tiles, 8 x 4 pixels together.</summary>
        public static async Task UpscaleAsync(UpscaleRequest request, IServerStreamWriter<UpscaleResponse> stream, ServerCallContext context)
        {
            var file = FileOf(0, 1000);
            var model = new ModelRef { Id = "aura", Version = "ab" };
            await stream.WriteAsync(new UpscaleResponse { Sequence = 1, Accepted = new Accepted { RequestId = request.RequestId, Model = model, Seeds = { 0 } } });
            for (var i = 0; i < 2; i++)
            {
                var tile = new Tile { XPx = 4 * i, WidthPx = 4, HeightPx = 4, Rgb = ByteString.CopyFrom(Enumerable.Repeat((byte)(i + 1), 48).ToArray()) };
                await stream.WriteAsync(new UpscaleResponse { Sequence = 2 + i, Tile = tile });
            }
            var completed = new Completed { Model = model, Upscale = new Timings { ComputeUs = 5, BatchSize = 1 } };
            if (!request.TilesOnly)
            {
                await stream.WriteAsync(new UpscaleResponse { Sequence = 4, Image = new Chunk { MimeType = "image/png", Data = ByteString.CopyFrom(file), Last = true } });
                completed.Sha256 = ByteString.CopyFrom(SHA256.HashData(file));
            }
            await stream.WriteAsync(new UpscaleResponse { Sequence = request.TilesOnly ? 4 : 5, Completed = completed });
        }

        public async Task BeginAsync(bool isReplayed = false)
        {
            await SendAsync(new GenerateResponse
            {
                Accepted = new Accepted
                {
                    RequestId = request.RequestId, Model = new ModelRef { Id = ModelId, Version = "c0ffee" }, Seeds = { Enumerable.Range(0, request.Count).Select(Seed) },
                    WidthPx = 64, HeightPx = 32, Replayed = isReplayed,
                },
            });
            await SendAsync(new GenerateResponse { Encoded = new Encoded { Cache = CacheOutcome.Miss, Timings = new Timings { QueueUs = 1, ComputeUs = 2000, TotalUs = 2001, BatchSize = 3 } } });
        }

        public async Task ImageAsync(int index)
        {
            var file = FileOf(Seed(index));
            if (request.Preview) await SendAsync(new GenerateResponse { Preview = new Chunk { Index = index, MimeType = "image/png", Data = ByteString.CopyFrom(file, 0, 10), Last = true } });
            for (var offset = 0; offset < file.Length; offset += PieceBytes) await PieceAsync(index, file, offset, offset);
            await CompleteAsync(index, SHA256.HashData(file));
        }

        public Task PieceAsync(int index, byte[] file, int from, long claimed)
        {
            var length = Math.Min(PieceBytes, file.Length - from);
            var piece = new Chunk
            {
                Index = index, MimeType = from == 0 ? "image/png" : "", OffsetBytes = claimed, Data = ByteString.CopyFrom(file, from, length), Last = from + length == file.Length,
            };
            return SendAsync(new GenerateResponse { Image = piece });
        }

        public Task CompleteAsync(int index, byte[] hash) => SendAsync(new GenerateResponse
        {
            Completed = new Completed
            {
                Index = index, Seed = Seed(index), Model = new ModelRef { Id = ModelId, Version = "c0ffee" }, Sha256 = ByteString.CopyFrom(hash),
                Generate = new Timings { QueueUs = 10, ComputeUs = 20_000, TotalUs = 20_010, BatchSize = 1 }, Decode = new Timings { ComputeUs = 30_000, BatchSize = 2 },
                Reproducibility = new Reproducibility { DeviceKind = "cpu avx512", Build = "test", Numerics = "float32" },
            },
        });

        public async Task SendAsync(GenerateResponse response)
        {
            response.Sequence = ++_sequence;
            response.ElapsedUs = 1000 * _sequence;
            await stream.WriteAsync(response);
        }

        public ulong Seed(int index) => request.Seeds.Count == request.Count ? request.Seeds[index] : request.Seeds[0] + (ulong)index;
    }
}
