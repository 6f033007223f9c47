using Mesh.Models.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Models.Networks;

/// <summary>Everything a CLIP text encoder says of a batch of token ids.</summary>
public sealed class ClipTextOutput : IDisposable
{
    private readonly LayerNorm _finalNorm;

    internal ClipTextOutput(IReadOnlyList<Tensor> hiddenStates, Tensor lastHiddenState, Tensor pooled, Tensor? textEmbeds, LayerNorm finalNorm)
    {
        (HiddenStates, LastHiddenState, Pooled, TextEmbeds, _finalNorm) = (hiddenStates, lastHiddenState, pooled, textEmbeds, finalNorm);
    }

    /// <summary>The embeddings, then the states after each layer, without the final norm; [B, L, width] each.</summary>
    public IReadOnlyList<Tensor> HiddenStates { get; }

    /// <summary>The last layer's states after the final norm: the context of SD 1.5 and 2.x.</summary>
    public Tensor LastHiddenState { get; }

    /// <summary>The final state at the end of each text, [B, width].</summary>
    public Tensor Pooled { get; }

    /// <summary>The projected <see cref="Pooled"/>, [B, projection]; null for an encoder without projection.</summary>
    public Tensor? TextEmbeds { get; }

    /// <summary>The states before the last layer, without final norm: half of SDXL's context.</summary>
    /// <param name="clipSkip">How many layers more to leave out, from 0.</param>
    public Tensor Penultimate(int clipSkip = 0) => HiddenStates[^(clipSkip + 2)];

    /// <summary>The context of SD 1.5 and 2.x with the last layers left out: the final norm of the states before them. A new tensor.</summary>
    /// <param name="clipSkip">How many layers to leave out, from 0.</param>
    public Tensor Skipped(int clipSkip) => clipSkip == 0 ? LastHiddenState.alias() : _finalNorm.call(HiddenStates[^(clipSkip + 1)]);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var state in HiddenStates)
            state.Dispose();
        LastHiddenState.Dispose();
        Pooled.Dispose();
        TextEmbeds?.Dispose();
    }
}

/// <summary>CLIP's text encoder (transformers' CLIPTextModel, and CLIPTextModelWithProjection where the configuration has a projection).</summary>
public sealed class ClipTextEncoder : Module
{
    private const int OlderEosRule = 2;

    [ComponentName(Name = "text_model")] private readonly TextModel _model;
    [ComponentName(Name = "text_projection")] private readonly Linear? _projection;

    /// <summary>An encoder with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="device">Where the weights are made; the meta device for names and shapes alone.</param>
    public ClipTextEncoder(ClipTextConfig config, Device? device = null)
        : base(nameof(ClipTextEncoder))
    {
        Config = config;
        _model = new TextModel(config, device);
        _projection = config.ProjectionDim is { } width ? Linear(config.HiddenSize, width, hasBias: false, device: device) : null;
        RegisterComponents();
    }

    /// <summary>What the encoder was built from.</summary>
    public ClipTextConfig Config { get; }

    /// <summary>Encodes rows of token ids. There is no padding mask: every id of a row is seen by those after it.</summary>
    /// <param name="ids">[B, L] Int64, L up to the longest sequence of the configuration.</param>
    public ClipTextOutput Encode(Tensor ids)
    {
        if (ids.dim() != 2 || ids.shape[1] > Config.MaxPositions)
            throw new ArgumentException($"ids of shape [{string.Join(",", ids.shape)}] for at most {Config.MaxPositions} positions", nameof(ids));
        using var scope = NewDisposeScope();

        // 1. States.
        var (states, last) = _model.Run(ids); // [B, L, width] each

        // 2. The end of each text.
        var ends = tensor(EndPositions(ids), ScalarType.Int64).to(last.device);
        var rows = arange(ids.shape[0], ScalarType.Int64, last.device);
        var pooled = last.index(TensorIndex.Tensor(rows), TensorIndex.Tensor(ends)); // [B, width]

        // 3. Projection.
        var projected = _projection?.call(pooled); // [B, projection]
        return new ClipTextOutput(
            [.. states.Select(s => s.MoveToOuterDisposeScope())],
            last.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope(), projected?.MoveToOuterDisposeScope(), _model.FinalNorm);
    }

    /// <summary>The position that is pooled in each row.</summary>
    /// <remarks>By the older rule (eos_token_id 2) the first of the largest id; else the first of eos_token_id, or 0 where there is none.</remarks>
    public long[] EndPositions(Tensor ids)
    {
        using var scope = NewDisposeScope();
        var length = ids.shape[1];
        var flat = ids.to(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var ends = new long[ids.shape[0]];
        for (var row = 0; row < ends.Length; row++)
        {
            var values = flat.AsSpan((int)(row * length), (int)length);
            var wanted = (long)Config.EosTokenId;
            if (wanted == OlderEosRule)
            {
                wanted = long.MinValue;
                foreach (var value in values)
                    wanted = Math.Max(wanted, value);
            }

            ends[row] = Math.Max(values.IndexOf(wanted), 0);
        }

        return ends;
    }

    private sealed class TextModel : Module
    {
        [ComponentName(Name = "embeddings")] private readonly Embeddings _embeddings;
        [ComponentName(Name = "encoder")] private readonly Encoder _encoder;
        [ComponentName(Name = "final_layer_norm")] private readonly LayerNorm _finalNorm;

        public TextModel(ClipTextConfig config, Device? device)
            : base(nameof(TextModel))
        {
            _embeddings = new Embeddings(config, device);
            _encoder = new Encoder(config, device);
            _finalNorm = LayerNorm(config.HiddenSize, config.LayerNormEps, device: device);
            RegisterComponents();
        }

        public LayerNorm FinalNorm => _finalNorm;

        public (List<Tensor> States, Tensor Last) Run(Tensor ids)
        {
            List<Tensor> states = [_embeddings.call(ids)];
            foreach (var layer in _encoder.Layers)
                states.Add(layer.call(states[^1]));
            return (states, _finalNorm.call(states[^1]));
        }
    }

    private sealed class Embeddings : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "token_embedding")] private readonly Embedding _tokens;
        [ComponentName(Name = "position_embedding")] private readonly Embedding _positions;

        public Embeddings(ClipTextConfig config, Device? device)
            : base(nameof(Embeddings))
        {
            _tokens = Embedding(config.VocabSize, config.HiddenSize, device: device);
            _positions = Embedding(config.MaxPositions, config.HiddenSize, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor ids)
        {
            using var scope = NewDisposeScope();
            var places = arange(ids.shape[1], ScalarType.Int64, ids.device);
            return (_tokens.call(ids) + _positions.call(places)).MoveToOuterDisposeScope(); // [B, L, width]
        }
    }

    private sealed class Encoder : Module
    {
        [ComponentName(Name = "layers")] private readonly ModuleList<EncoderLayer> _layers;

        public Encoder(ClipTextConfig config, Device? device)
            : base(nameof(Encoder))
        {
            _layers = ModuleList(Enumerable.Range(0, config.Layers).Select(_ => new EncoderLayer(config, device)).ToArray());
            RegisterComponents();
        }

        public IEnumerable<EncoderLayer> Layers => _layers;
    }

    private sealed class EncoderLayer : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "self_attn")] private readonly CausalAttention _attention;
        [ComponentName(Name = "layer_norm1")] private readonly LayerNorm _norm1;
        [ComponentName(Name = "mlp")] private readonly FeedForwardPart _feedForward;
        [ComponentName(Name = "layer_norm2")] private readonly LayerNorm _norm2;

        public EncoderLayer(ClipTextConfig config, Device? device)
            : base(nameof(EncoderLayer))
        {
            _attention = new CausalAttention(config.HiddenSize, config.Heads, device);
            _norm1 = LayerNorm(config.HiddenSize, config.LayerNormEps, device: device);
            _feedForward = new FeedForwardPart(config, device);
            _norm2 = LayerNorm(config.HiddenSize, config.LayerNormEps, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = Ops.Add(_attention.call(_norm1.call(x)), x); // [B, L, width]
            return Ops.Add(_feedForward.call(_norm2.call(h)), h).MoveToOuterDisposeScope();
        }
    }

    private sealed class CausalAttention : Module<Tensor, Tensor>
    {
        private readonly int _heads;
        [ComponentName(Name = "q_proj")] private readonly Linear _query;
        [ComponentName(Name = "k_proj")] private readonly Linear _key;
        [ComponentName(Name = "v_proj")] private readonly Linear _value;
        [ComponentName(Name = "out_proj")] private readonly Linear _out;

        public CausalAttention(int width, int heads, Device? device)
            : base(nameof(CausalAttention))
        {
            _heads = heads;
            _query = Linear(width, width, device: device);
            _key = Linear(width, width, device: device);
            _value = Linear(width, width, device: device);
            _out = Linear(width, width, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var mixed = F.scaled_dot_product_attention(Split(_query.call(x)), Split(_key.call(x)), Split(_value.call(x)), is_casual: true);
            return _out.call(mixed.transpose(1, 2).reshape(x.shape)).MoveToOuterDisposeScope(); // [B, L, width]
        }

        private Tensor Split(Tensor x) => x.view(x.shape[0], x.shape[1], _heads, -1).transpose(1, 2); // [B, heads, L, d]
    }

    private sealed class FeedForwardPart : Module<Tensor, Tensor>
    {
        private const double QuickSlope = 1.702;

        private readonly bool _quick;
        [ComponentName(Name = "fc1")] private readonly Linear _in;
        [ComponentName(Name = "fc2")] private readonly Linear _out;

        public FeedForwardPart(ClipTextConfig config, Device? device)
            : base(nameof(FeedForwardPart))
        {
            _quick = config.QuickGelu;
            _in = Linear(config.HiddenSize, config.IntermediateSize, device: device);
            _out = Linear(config.IntermediateSize, config.HiddenSize, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var h = _in.call(x); // [B, L, intermediate]
            h = _quick ? h * (h * QuickSlope).sigmoid() : F.gelu(h);
            return _out.call(h).MoveToOuterDisposeScope(); // [B, L, width]
        }
    }
}
