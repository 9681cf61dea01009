using Gpt35.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Gpt35.Model.Torch;

/// <summary>
/// The forward pass, formula by formula as in <c>docs/recipe.md</c>. Rows are the tokens of all sequences, T in all; a product is taken in the working type, everything else in
/// fp32.
/// </summary>
internal sealed class TorchPass : IDisposable
{
    private readonly ModelConfig config;
    private readonly TorchWeights weights;
    private readonly ScalarType working;
    private readonly Device device;
    private readonly WorkerPool pool;
    private readonly Tensor? cosines, sines;                                   // (positions, K/2)

    public TorchPass(ModelConfig config, TorchWeights weights, ScalarType working, Device device, WorkerPool pool)
    {
        (this.config, this.weights, this.working, this.device, this.pool) = (config, weights, working, device, pool);
        if (config.PositionEncoding != PositionEncoding.Rotary) return;
        var (frequencies, scale) = RotaryTable.Frequencies(config);
        using var scope = NewDisposeScope();
        var angles = arange(config.MaxPositionEmbeddings, dtype: ScalarType.Float64).unsqueeze(1) * tensor(frequencies);
        Tensor Table(Tensor exact) => (exact * scale).to(ScalarType.Float32).to(device).DetachFromDisposeScope();
        (cosines, sines) = (Table(angles.cos()), Table(angles.sin()));
    }

    /// <summary>Log-probabilities (N,), entropies (N,) and scalars (N, S), as asked.</summary>
    public (Tensor? LogProb, Tensor? Entropy, Tensor? Scalars) Run(BatchTensors batch, ForwardRequest what)
    {
        var masks = new Dictionary<(int, int), Tensor>();
        var x = weights[DecoderLayout.TokenEmbedding].index_select(0, batch.Ids);                                       // (T, D)
        if (weights.Find(DecoderLayout.PositionEmbedding) is { } table) x = x + table.index_select(0, batch.Positions);
        x = Dropped(x, batch, place: 0);
        for (var layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            var attended = Attention(Norm(x, $"h.{layer}.ln_1"), layer, batch, masks);
            x = x + Dropped(attended, batch, place: 2 * layer + 1);
            var fed = FeedForward(Norm(x, $"h.{layer}.ln_2"), layer);
            x = x + Dropped(fed, batch, place: 2 * layer + 2);
        }
        var h = Norm(x.index_select(0, batch.ScoredRows), "ln_f");                                                      // (N, D)
        var (logProb, entropy) = what.LogProb || what.Entropy ? Vocabulary(h, batch, what) : (null, null);
        return (logProb, entropy, what.Scalars ? Scalars(h, batch) : null);
    }

    /// <summary>u·h, and with a head that reads tokens w·(h∘E of the target), (N, S).</summary>
    private Tensor Scalars(Tensor h, BatchTensors batch)
    {
        var found = Product(h, weights[DecoderLayout.Score].t());
        if (config.ScalarHead == ScalarHead.State) return found;
        var tokens = (weights.Find(DecoderLayout.OutputHead) ?? weights[DecoderLayout.TokenEmbedding]).index_select(0, batch.Targets);
        return found + Product(h * tokens, weights[DecoderLayout.ActionScore].t());
    }

    public void Dispose()
    {
        cosines?.Dispose();
        sines?.Dispose();
    }

    private Tensor Attention(Tensor x, int layer, BatchTensors batch, Dictionary<(int, int), Tensor> masks)
    {
        int heads = config.NumAttentionHeads, shared = config.NumKeyValueHeads, k = config.HeadDim;
        var qkv = Linear(x, $"h.{layer}.attn.c_attn");                                                                  // (T, (H + 2G)·K)
        var queries = Turned(qkv.narrow(1, 0, config.QueryWidth).view(-1, heads, k), batch);
        var keys = Turned(qkv.narrow(1, config.QueryWidth, config.KeyValueWidth).view(-1, shared, k), batch);
        var values = qkv.narrow(1, config.QueryWidth + config.KeyValueWidth, config.KeyValueWidth).view(-1, shared, k);

        var window = config.WindowOf(layer);
        var outputs = new List<Tensor>();
        foreach (var group in batch.Groups)
        {
            Tensor Heads(Tensor all)                                                                                    // (T, ·, K) -> (B, H, length, K)
            {
                var own = all.narrow(0, group.Row, group.Rows).view(group.Sequences, group.Length, -1, k).transpose(1, 2).to(working);
                return own.size(1) == heads ? own : own.repeat_interleave(heads / shared, dim: 1);
            }
            var mask = window > 0 && window < group.Length ? Banded(group.Length, window, masks) : null;
            var attended = functional.scaled_dot_product_attention(Heads(queries), Heads(keys), Heads(values), mask, p: 0, is_casual: mask is null);
            outputs.Add(attended.transpose(1, 2).reshape(group.Rows, config.QueryWidth));
        }
        return Linear(outputs.Count == 1 ? outputs[0] : cat(outputs, 0), $"h.{layer}.attn.c_proj");
    }

    private Tensor FeedForward(Tensor x, int layer)
    {
        var up = Linear(x, $"h.{layer}.mlp.c_fc");                                                                      // (T, F) or (T, 2F)
        var f = config.IntermediateSize;
        return Linear(config.GatedMlp ? Activated(up.narrow(1, 0, f)) * up.narrow(1, f, f) : Activated(up), $"h.{layer}.mlp.c_proj");
    }

    private Tensor Activated(Tensor x) => config.HiddenAct switch
    {
        Activation.GeluTanh => functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh),
        Activation.Gelu => functional.gelu(x),
        Activation.Silu => functional.silu(x),
        var other => throw new NotSupportedException($"The torch backend does not know the activation {other}."),
    };

    /// <summary>log softmax(h·Eᵀ/τ) at the targets, and −Σ p·log p.</summary>
    private (Tensor LogProb, Tensor? Entropy) Vocabulary(Tensor h, BatchTensors batch, ForwardRequest what)
    {
        // A tied output is the embedding itself: autograd then adds both of its gradients, and there is one parameter to train.
        var output = weights.Find(DecoderLayout.OutputHead) ?? weights[DecoderLayout.TokenEmbedding];
        var logP = functional.log_softmax(Product(h, output.t()) / what.Temperature, 1);                                // (N, V)
        var found = logP.gather(1, batch.Targets.unsqueeze(1)).squeeze(1);
        return (found, what.Entropy ? -(logP.exp() * logP).sum(1) : null);
    }

    private Tensor Norm(Tensor x, string name)
    {
        var scale = weights[name + ".weight"];
        return config.Normalization == Normalization.LayerNorm
            ? functional.layer_norm(x, [config.HiddenSize], scale, weights[name + ".bias"], config.LayerNormEps)
            : x * rsqrt(x.square().mean([1], keepdim: true) + config.LayerNormEps) * scale;
    }

    /// <summary>x·W + b in the working type.</summary>
    private Tensor Linear(Tensor x, string name)
    {
        Tensor weight = weights[name + ".weight"].to(working), input = x.to(working);
        return weights.Find(name + ".bias") is { } bias ? addmm(bias.to(working), input, weight, beta: 1, alpha: 1) : input.mm(weight);
    }

    /// <summary>a·b, multiplied in the working type, in fp32.</summary>
    private Tensor Product(Tensor a, Tensor b) => a.to(working).mm(b.to(working)).to(ScalarType.Float32);

    /// <summary>Rotary positions: columns i and i + K/2 of each head turn together; (T, ·, K).</summary>
    private Tensor Turned(Tensor x, BatchTensors batch)
    {
        if (cosines is null || sines is null) return x;
        var half = config.HeadDim / 2;
        Tensor cos = cosines.index_select(0, batch.Positions).unsqueeze(1), sin = sines.index_select(0, batch.Positions).unsqueeze(1);
        Tensor first = x.narrow(2, 0, half), second = x.narrow(2, half, half);
        return cat([first * cos - second * sin, second * cos + first * sin], 2);
    }

    /// <summary>Which keys (columns) a query (row) sees: itself and the window − 1 before it.</summary>
    private Tensor Banded(int length, int window, Dictionary<(int, int), Tensor> masks)
    {
        if (!masks.TryGetValue((length, window), out var mask))
            masks[(length, window)] = mask = ones(length, length, dtype: ScalarType.Bool, device: device).tril(0).triu(1 - window);
        return mask;
    }

    /// <summary>x under the dropout mask of this place: the one that the cpu backend's kernel makes.</summary>
    private unsafe Tensor Dropped(Tensor x, BatchTensors batch, int place)
    {
        if (batch.DropoutKeys is not { } keys || config.ResidDropout == 0) return x;
        var mask = ones(x.shape, dtype: ScalarType.Float32);
        fixed (byte* start = mask.bytes)
        fixed (ulong* rowKeys = keys)
            Kernels.Dropout.Apply(pool, (float*)start, keys.Length, config.HiddenSize, config.ResidDropout, rowKeys, place);
        return x * mask.to(device);
    }
}
