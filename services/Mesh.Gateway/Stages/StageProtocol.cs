using Grpc.Core;
using Mesh.Contracts.Decoder.V1;
using Mesh.Contracts.Generator.V1;
using Mesh.Contracts.Text.V1;
using Mesh.Contracts.Upsampler.V1;

namespace Mesh.Gateway.Stages;

/// <summary>What the link to a stage needs to know of that stage's messages; the rest is the same for all four.</summary>
internal abstract class StageProtocol<TRequest, TResponse>
    where TRequest : class
    where TResponse : class
{
    /// <summary>Text, generator, decoder or upsampler.</summary>
    public abstract string Stage { get; }

    public abstract AsyncDuplexStreamingCall<TRequest, TResponse> Open(CallInvoker calls, CallOptions options);

    /// <summary>A copy of a piece of work for one try on one replica.</summary>
    public abstract TRequest Address(TRequest work, WorkAddress address);

    /// <summary>What takes a piece of work back.</summary>
    public abstract TRequest Cancel(long id);

    public abstract long IdOf(TResponse answer);

    public abstract Google.Rpc.Status? FailureOf(TResponse answer);

    /// <summary>Whether nothing follows this answer for its piece of work.</summary>
    public abstract bool IsLast(TResponse answer);
}

/// <summary>What differs from try to try of one piece of work.</summary>
/// <param name="Id">Its name in the stream.</param>
/// <param name="TimeoutUs">How long its answer is of use.</param>
/// <param name="Traceparent">The trace it belongs to; empty: none.</param>
internal readonly record struct WorkAddress(long Id, long TimeoutUs, string Traceparent);

internal sealed class TextProtocol : StageProtocol<EncodeRequest, EncodeResponse>
{
    public override string Stage => StageNames.Text;

    public override AsyncDuplexStreamingCall<EncodeRequest, EncodeResponse> Open(CallInvoker calls, CallOptions options) =>
        new TextEncoderService.TextEncoderServiceClient(calls).Encode(options);

    public override EncodeRequest Address(EncodeRequest work, WorkAddress address) =>
        new(work) { Id = address.Id, TimeoutUs = address.TimeoutUs, Traceparent = address.Traceparent };

    public override EncodeRequest Cancel(long id) => new() { Id = id, Cancel = true };

    public override long IdOf(EncodeResponse answer) => answer.Id;

    public override Google.Rpc.Status? FailureOf(EncodeResponse answer) => answer.Failure;

    public override bool IsLast(EncodeResponse answer) => true;
}

internal sealed class GeneratorProtocol : StageProtocol<GenerateRequest, GenerateResponse>
{
    public override string Stage => StageNames.Generator;

    public override AsyncDuplexStreamingCall<GenerateRequest, GenerateResponse> Open(CallInvoker calls, CallOptions options) =>
        new GeneratorService.GeneratorServiceClient(calls).Generate(options);

    public override GenerateRequest Address(GenerateRequest work, WorkAddress address) =>
        new(work) { Id = address.Id, TimeoutUs = address.TimeoutUs, Traceparent = address.Traceparent };

    public override GenerateRequest Cancel(long id) => new() { Id = id, Cancel = true };

    public override long IdOf(GenerateResponse answer) => answer.Id;

    public override Google.Rpc.Status? FailureOf(GenerateResponse answer) => answer.Failure;

    public override bool IsLast(GenerateResponse answer) => true;
}

internal sealed class DecoderProtocol : StageProtocol<DecodeRequest, DecodeResponse>
{
    public override string Stage => StageNames.Decoder;

    public override AsyncDuplexStreamingCall<DecodeRequest, DecodeResponse> Open(CallInvoker calls, CallOptions options) =>
        new DecoderService.DecoderServiceClient(calls).Decode(options);

    public override DecodeRequest Address(DecodeRequest work, WorkAddress address) =>
        new(work) { Id = address.Id, TimeoutUs = address.TimeoutUs, Traceparent = address.Traceparent };

    public override DecodeRequest Cancel(long id) => new() { Id = id, Cancel = true };

    public override long IdOf(DecodeResponse answer) => answer.Id;

    public override Google.Rpc.Status? FailureOf(DecodeResponse answer) => answer.Failure;

    public override bool IsLast(DecodeResponse answer) => true;
}

internal sealed class UpsamplerProtocol : StageProtocol<UpscaleRequest, UpscaleResponse>
{
    public override string Stage => StageNames.Upsampler;

    public override AsyncDuplexStreamingCall<UpscaleRequest, UpscaleResponse> Open(CallInvoker calls, CallOptions options) =>
        new UpsamplerService.UpsamplerServiceClient(calls).Upscale(options);

    public override UpscaleRequest Address(UpscaleRequest work, WorkAddress address) =>
        new(work) { Id = address.Id, TimeoutUs = address.TimeoutUs, Traceparent = address.Traceparent };

    public override UpscaleRequest Cancel(long id) => new() { Id = id, Cancel = true };

    public override long IdOf(UpscaleResponse answer) => answer.Id;

    public override Google.Rpc.Status? FailureOf(UpscaleResponse answer) => answer.Failure;

    public override bool IsLast(UpscaleResponse answer) => answer.OutcomeCase != UpscaleResponse.OutcomeOneofCase.Tile;
}
