using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Keys;
using Mesh.Gateway.Web;
using Mesh.Hosting;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Gateway.Tests.Web;

/// <summary>The gateway's HTTP and keys on real sockets, with images that are made up.</summary>
internal sealed class WebGateway : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly LogCollector _logs;
    private readonly SocketsHttpHandler _handler = new();
    private readonly GrpcChannel _channel;

    private WebGateway(WebApplication app, LogCollector logs)
    {
        _app = app;
        _logs = logs;
        Http = new HttpClient(_handler) { BaseAddress = new Uri(app.Addresses().Http!), Timeout = TimeoutExtensions.Default };
        _channel = GrpcChannel.ForAddress(app.Addresses().Grpc);
    }

    public FakeImages Images { get; private init; } = null!;

    public ManualTime Time { get; private init; } = null!;

    public HttpClient Http { get; }

    public CallInvoker Grpc => _channel.CreateCallInvoker();

    public ImageService.ImageServiceClient Service => new(_channel);

    public IServiceProvider Services => _app.Services;

    public LogCollector Logs => _logs;

    public static async Task<WebGateway> StartAsync(FakeImages? images = null, params (string Key, string Value)[] settings)
    {
        var (logs, time) = (new LogCollector(), new ManualTime());
        images ??= new FakeImages();
        var builder = MeshHost.Create(new MeshService("gateway", "127.0.0.1:0", "127.0.0.1:0") { HasKeys = ApiKeys.AreIn }, [], settings.ToDictionary(x => x.Key, x => (string?)x.Value));
        builder.Logging.ClearProviders().AddProvider(logs).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.Services.AddSingleton<IImages>(images);
        builder.AddApiKeys().AddWebApi();
        var app = builder.BuildMesh();
        app.UseApiKeys();
        app.MapGrpcService<PlainImageService>();
        app.MapWebApi();
        await app.StartAsync().DefaultTimeout();
        return new WebGateway(app, logs) { Images = images, Time = time };
    }

    public Task StopAsync() => _app.StopAsync().DefaultTimeout();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _handler.Dispose();
        _channel.Dispose();
        using (var grace = new CancellationTokenSource(TimeSpan.FromSeconds(5))) await _app.StopAsync(grace.Token).DefaultTimeout();
        await _app.DisposeAsync().DefaultTimeout();
        _logs.ThrowOnErrors();
    }

    /// <summary>Generate by gRPC, as the gateway serves it, without the gateway.</summary>
    public sealed class PlainImageService(IServiceProvider services) : ImageService.ImageServiceBase
    {
        public override async Task Generate(GenerateRequest request, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context)
        {
            var caller = KeyCaller.Of(context.GetHttpContext(), null);
            await foreach (var response in services.GetRequiredService<IImages>().GenerateAsync(request, caller, context.CancellationToken))
                await responseStream.WriteAsync(response);
        }
    }
}
