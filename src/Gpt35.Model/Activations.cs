using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>What a forward pass leaves behind for one block, (T, …) each.</summary>
internal sealed unsafe class BlockActivations : IDisposable
{
    private readonly GrowingBuffer norm1 = new(), norm1Mean = new(), norm1InverseDeviation = new(), qkv = new(), attended = new(), logSumExp = new();
    private readonly GrowingBuffer middle = new(), norm2 = new(), norm2Mean = new(), norm2InverseDeviation = new(), up = new(), output = new();

    public float* Norm1 => norm1.Pointer;                                   // (T, D)
    public float* Norm1Mean => norm1Mean.Pointer;                           // (T)
    public float* Norm1InverseDeviation => norm1InverseDeviation.Pointer;   // (T)
    public float* Qkv => qkv.Pointer;                                       // (T, (H + 2G)·K), q and k turned
    public float* Attended => attended.Pointer;                             // (T, H·K)
    public float* LogSumExp => logSumExp.Pointer;                           // (T, H)
    /// <summary>Residual stream after the attention branch.</summary>
    public float* Middle => middle.Pointer;                                 // (T, D)
    public float* Norm2 => norm2.Pointer;                                   // (T, D)
    public float* Norm2Mean => norm2Mean.Pointer;                           // (T)
    public float* Norm2InverseDeviation => norm2InverseDeviation.Pointer;   // (T)
    public float* Up => up.Pointer;                                         // (T, F) or (T, 2F), before the nonlinearity
    // What comes after the nonlinearity is a third of a block's activations and quickly computed again.
    /// <summary>Residual stream after the feed-forward branch.</summary>
    public float* Output => output.Pointer;                                 // (T, D)

    public void Reserve(ModelConfig config, int tokens)
    {
        long t = tokens, d = config.HiddenSize;
        foreach (var buffer in (ReadOnlySpan<GrowingBuffer>)[norm1, middle, norm2, output]) buffer.Reserve(t * d);
        foreach (var buffer in (ReadOnlySpan<GrowingBuffer>)[norm1Mean, norm1InverseDeviation, norm2Mean, norm2InverseDeviation]) buffer.Reserve(t);
        attended.Reserve(t * config.QueryWidth);
        qkv.Reserve(t * (config.QueryWidth + 2L * config.KeyValueWidth));
        logSumExp.Reserve(t * config.NumAttentionHeads);
        up.Reserve(t * config.IntermediateSize * (config.GatedMlp ? 2 : 1));
    }

    public IEnumerable<GrowingBuffer> Buffers =>
        [norm1, norm1Mean, norm1InverseDeviation, qkv, attended, logSumExp, middle, norm2, norm2Mean, norm2InverseDeviation, up, output];

    public void Dispose()
    {
        foreach (var buffer in Buffers) buffer.Dispose();
    }
}

/// <summary>Neighbouring rows of the matrices of a pass.</summary>
/// <param name="First">The first.</param>
/// <param name="Count">How many.</param>
internal readonly record struct Rows(int First, int Count)
{
    /// <summary>At most so many of (total) rows, from the given one on.</summary>
    public static Rows From(int first, int most, int total) => new(first, Math.Min(most, total - first));

    /// <summary>Where they are in a matrix with so many columns.</summary>
    public unsafe float* Of(float* matrix, int columns) => matrix + (nint)First * columns;
}

/// <summary>Native memory that grows to the largest size asked for and is then reused, so that a steady training step allocates nothing.</summary>
internal sealed unsafe class GrowingBuffer : IDisposable
{
    private NativeBuffer<float>? buffer;

    public float* Pointer => buffer is null ? null : buffer.Pointer;

    /// <summary>Floats allocated.</summary>
    public long Length => buffer?.Length ?? 0;

    /// <summary>Makes room for <paramref name="count"/> floats; their content is undefined.</summary>
    public float* Reserve(long count)
    {
        if (buffer is null || buffer.Length < count)
        {
            buffer?.Dispose();
            buffer = new NativeBuffer<float>(count);
        }
        return buffer.Pointer;
    }

    public void Dispose() => buffer?.Dispose();
}
