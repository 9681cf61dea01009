using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>The GPT-3 decoder on the <c>cpu</c> backend: forward and backward written out by hand, and the cached forward pass for generation.</summary>
public sealed class Decoder : ITrainableModel
{
    /// <summary>A model with GPT-2 initialisation: N(0, 0.02), residual projections N(0, 0.02/√(2L)), biases 0, norms 1; scalar head N(0, 1/√(D+1)).</summary>
    public static Decoder Create(ModelConfig config, ulong seed, WorkerPool pool) => throw new NotImplementedException();

    public ModelConfig Config => throw new NotImplementedException();
    public ParameterSet Parameters => throw new NotImplementedException();
    public TokenScores Forward(TokenBatch batch, ForwardRequest what) => throw new NotImplementedException();
    public void Backward(in TokenGradients gradients) => throw new NotImplementedException();

    /// <summary>
    /// Appends tokens to cache slots and gives the next-token logits after the last new token of each.
    /// A slot may receive one token (decoding) or many (its prompt); results do not depend on the other slots of the call.
    /// </summary>
    /// <param name="cache">Keys and values so far.</param>
    /// <param name="slots">Which slot each sequence is in, (B,).</param>
    /// <param name="starts">Where each sequence's new tokens start in <paramref name="tokens"/>, and their number at the end, (B + 1,).</param>
    /// <param name="tokens">New tokens end to end.</param>
    /// <param name="logits">Receives (B, V), row-major.</param>
    public void Extend(KvCache cache, ReadOnlySpan<int> slots, ReadOnlySpan<int> starts, ReadOnlySpan<int> tokens, Span<float> logits) =>
        throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}

/// <summary>Keys and values of a number of sequences, each in a slot of fixed capacity.</summary>
public sealed class KvCache(ModelConfig config, int slots, int capacity) : IDisposable
{
    public int Slots => slots;
    /// <summary>Most tokens a slot holds.</summary>
    public int Capacity => capacity;
    public ModelConfig Config => config;
    /// <summary>Tokens in the slot.</summary>
    public int Length(int slot) => throw new NotImplementedException();
    /// <summary>Drops all tokens of the slot from <paramref name="length"/> on.</summary>
    public void Truncate(int slot, int length = 0) => throw new NotImplementedException();
    public void Dispose() => throw new NotImplementedException();
}
