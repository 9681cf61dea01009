namespace Gpt35.Inference;

/// <summary>Scratch memory that samplers share, one for each that is at work at a time. For any number of threads.</summary>
internal sealed class SamplerMemories
{
    private readonly SamplerMemory?[] free;

    /// <param name="vocabSize">V.</param>
    /// <param name="threads">As many are kept between choices.</param>
    public SamplerMemories(int vocabSize, int threads = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, 1);
        (VocabSize, free) = (vocabSize, new SamplerMemory?[threads]);
    }

    public int VocabSize { get; }

    /// <summary>One that nobody else has until it is given back. Allocates where more than ever before are wanted at once.</summary>
    public SamplerMemory Rent()
    {
        foreach (ref var place in free.AsSpan())
            if (Interlocked.Exchange(ref place, null) is { } memory) return memory;
        return new SamplerMemory(VocabSize);
    }

    public void Return(SamplerMemory memory)
    {
        foreach (ref var place in free.AsSpan())
            if (Interlocked.CompareExchange(ref place, memory, null) is null) return;
    }
}
