using System.Collections.Concurrent;
using Grpc.AspNetCore.ClientFactory;
using Grpc.Core;
using Mesh.Testing;
using Mesh.Testing.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Grpc.Tests.Server;

/// <summary>A server that calls another: the outer call's deadline and cancellation hold for the inner one.</summary>
public sealed class ContextPropagationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Deadline_OfTheOuterCall_HoldsForInnerCallsOfEveryShape(bool ownToken)
    {
        await using var inner = await ServerHost.StartAsync();
        var seen = new ConcurrentBag<DateTime>();
        inner.Script.Unary = (request, context) =>
        {
            seen.Add(context.Deadline);
            return Task.FromResult(Script.Echo(request));
        };
        inner.Script.ServerStream = (request, replies, context) =>
        {
            seen.Add(context.Deadline);
            return replies.WriteAsync(Script.Echo(request));
        };
        inner.Script.ClientStream = (_, context) =>
        {
            seen.Add(context.Deadline);
            return Task.FromResult(new TestReply { Text = "deep" });
        };
        inner.Script.Duplex = (_, replies, context) =>
        {
            seen.Add(context.Deadline);
            return replies.WriteAsync(new TestReply { Text = "deep" });
        };
        await using var outer = await StartOuterAsync(inner);
        var own = DateTime.MaxValue;
        outer.Script.Unary = async (request, context) =>
        {
            own = context.Deadline;
            using var source = new CancellationTokenSource();
            return await CallEachShapeAsync(Client(context), request, ownToken ? source.Token : CancellationToken.None);
        };

        var reply = await outer.Client.CallAsync(WireClient.Unary, new TestRequest { Text = "deep" }, ("grpc-timeout", "100S"));

        reply.Status.ShouldBe(0, reply.Detail);
        reply.Reply().Text.ShouldBe("deepdeepdeepdeep");
        seen.Count.ShouldBe(4);

        // The wire carries what is left at the inner call's start, in whole units.
        foreach (var deadline in seen)
            deadline.ShouldBe(own, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Deadline_OfTheInnerCall_HoldsWhereItIsNearer()
    {
        await using var inner = await ServerHost.StartAsync();
        var seen = DateTime.MaxValue;
        inner.Script.Unary = (request, context) =>
        {
            seen = context.Deadline;
            return Task.FromResult(Script.Echo(request));
        };
        await using var outer = await StartOuterAsync(inner);
        var own = DateTime.UtcNow.AddMinutes(10);
        outer.Script.Unary = async (request, context) => await Client(context).UnaryAsync(request, deadline: own);

        (await outer.Client.CallAsync(WireClient.Unary, new TestRequest(), ("grpc-timeout", "5H"))).Status.ShouldBe(0);

        seen.ShouldBe(own, TimeSpan.FromMinutes(2));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancellation_OfTheOuterCall_CancelsTheInner(bool ownToken)
    {
        await using var inner = await ServerHost.StartAsync();
        inner.ExpectHandlerErrors();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        inner.Script.Unary = async (_, context) =>
        {
            await using var registration = context.CancellationToken.Register(cancelled.SetResult);
            started.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return new TestReply();
        };
        await using var outer = await StartOuterAsync(inner);
        outer.ExpectHandlerErrors();
        using var untouched = new CancellationTokenSource();
        var innerToken = ownToken ? untouched.Token : CancellationToken.None;
        outer.Script.Unary = async (request, context) => await Client(context).UnaryAsync(request, cancellationToken: innerToken);
        using var source = new CancellationTokenSource();

        var open = outer.Client.OpenAsync(WireClient.Request(WireClient.Unary, new ByteArrayContent(WireClient.Frame(new TestRequest()))), source.Token);
        await started.Task.DefaultTimeout();
        await source.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => open);
        await cancelled.Task.DefaultTimeout();
        await inner.Counter.Idle.DefaultTimeout();
        await outer.Counter.Idle.DefaultTimeout();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_OutsideAnyOther_FailsUnlessAllowed(bool allowed)
    {
        await using var inner = await ServerHost.StartAsync();
        await using var outer = await StartOuterAsync(inner, options => options.SuppressContextNotFoundErrors = allowed);
        var client = outer.Server.Services.GetRequiredService<TestService.TestServiceClient>();

        var thrown = await Record.ExceptionAsync(() => client.UnaryAsync(new TestRequest()).ResponseAsync.DefaultTimeout());

        if (allowed)
            thrown.ShouldBeNull();
        else
            thrown.ShouldBeOfType<InvalidOperationException>().Message.ShouldContain("Can't find the current HttpContext");
    }

    [Fact]
    public void Propagation_OfAClientThatIsNotGrpc_IsRefused()
    {
        var plain = new ServiceCollection().AddHttpClient("plain");

        Should.Throw<InvalidOperationException>(() => plain.EnableCallContextPropagation());
    }

    private static async Task<TestReply> CallEachShapeAsync(TestService.TestServiceClient client, TestRequest request, CancellationToken token)
    {
        var options = new CallOptions(deadline: DateTime.UtcNow.AddHours(5), cancellationToken: token);
        using var unary = client.UnaryAsync(request, options);
        var all = (await unary).Text;
        using var serverStream = client.ServerStream(request, options);
        await foreach (var reply in serverStream.ResponseStream.ReadAllAsync(CancellationToken.None))
            all += reply.Text;
        using var clientStream = client.ClientStream(options);
        await clientStream.RequestStream.CompleteAsync();
        all += (await clientStream).Text;
        using var duplex = client.Duplex(options);
        await duplex.RequestStream.CompleteAsync();
        await foreach (var reply in duplex.ResponseStream.ReadAllAsync(CancellationToken.None))
            all += reply.Text;
        return new TestReply { Text = all };
    }

    private static Task<ServerHost> StartOuterAsync(ServerHost inner, Action<GrpcContextPropagationOptions>? options = null)
        => ServerHost.StartAsync(services: services => services
            .AddGrpcClient<TestService.TestServiceClient>(client => client.Address = inner.Server.Address())
            .EnableCallContextPropagation(options ?? (_ => { })));

    private static TestService.TestServiceClient Client(ServerCallContext context)
        => context.GetHttpContext().RequestServices.GetRequiredService<TestService.TestServiceClient>();
}
