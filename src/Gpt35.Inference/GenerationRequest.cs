using Gpt35.Model;

namespace Gpt35.Inference;

/// <summary>A prompt, and how to continue it.</summary>
/// <param name="Prompt">Ids, at least one.</param>
/// <param name="Options">How to choose.</param>
/// <param name="Stream">Number of the random stream: the sample is a function of (seed, stream), so several completions of one seed differ by it.</param>
public sealed record GenerationRequest(int[] Prompt, SamplingOptions Options, int Stream = 0)
{
    /// <summary>n: completions of this prompt, which is read once; they draw from the streams Stream, Stream + 1, …</summary>
    public int Samples { get; init; } = 1;

    /// <summary>
    /// What the model is adapted with for this request; null: nothing. A request that is under way ends with it, also where its owner disposes of it meanwhile; to train it meanwhile is
    /// refused. Any number of engines may use one.
    /// </summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>Who asks. Tenants that wait take turns by the tokens they were served, and never share a prefix cache.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>A higher one goes first, and takes the memory of lower ones where there is not enough.</summary>
    public int Priority { get; init; }
}
