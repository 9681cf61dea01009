using Gpt35.Data;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>What tells whether all ranks read the same data and models; see <see cref="Ranks.RequireSame"/>.</summary>
internal static class Agreement
{
    /// <summary>Examples, and weights, to look at: enough that another version of a file shows, few enough to take no time. Another file moves nearly all of them.</summary>
    private const int Examples = 4096, Weights = 1 << 16;

    /// <param name="ranks">Who has to agree.</param>
    /// <param name="what">"Training data"; begins the message.</param>
    /// <param name="items">The examples, in their order.</param>
    /// <param name="numbers">All there is to one of them.</param>
    /// <exception cref="InvalidDataException">A rank has others.</exception>
    public static void RequireSameExamples<T>(this Ranks ranks, string what, IReadOnlyList<T> items, Func<T, IEnumerable<int>> numbers) => ranks.RequireSame(what, () =>
    {
        var every = Math.Max(1, items.Count / Examples);
        return $"{items.Count:N0} examples, SHA-256 {Hash(Enumerable.Range(0, (items.Count + every - 1) / every).Select(i => numbers(items[i * every]).ToArray()))}";
    });

    public static void RequireSameExamples(this Ranks ranks, string what, IReadOnlyList<TokenSequence> sequences) =>
        ranks.RequireSameExamples(what, sequences, sequence => [.. sequence.Ids, .. sequence.Trained.Select(trained => trained ? 1 : 0)]);

    /// <param name="ranks">Who has to agree.</param>
    /// <param name="path">The folder of the model; begins the message.</param>
    /// <param name="model">A model that each rank has read from it.</param>
    /// <exception cref="InvalidDataException">A rank has another.</exception>
    public static void RequireSameModel(this Ranks ranks, string path, Decoder model) =>
        ranks.RequireSame(path, () => $"{model.Parameters.Count:N0} parameters, SHA-256 {Hash([Sample(model)])}");

    /// <summary>The bits of weights from all over a model (of an adapted one, of its adapter), all of them where they are few.</summary>
    public static unsafe int[] Sample(Decoder model)
    {
        var parameters = model.Parameters;
        var every = Math.Max(1, parameters.Count / Weights);
        var sample = new int[(parameters.Count + every - 1) / every];
        for (var i = 0; i < sample.Length; i++) sample[i] = BitConverter.SingleToInt32Bits(parameters.ValuePointer[i * every]);
        return sample;
    }

    /// <summary>The first difference between the first rank and another one, as a message; null where there is none.</summary>
    /// <param name="what">What it is.</param>
    /// <param name="all">Of each rank: a line with its machine, then the lines to compare.</param>
    internal static string? Difference(string what, IReadOnlyList<string> all)
    {
        var first = all[0].Split('\n');
        for (var rank = 1; rank < all.Count; rank++)
        {
            var other = all[rank].Split('\n');
            for (var i = 1; i < Math.Max(first.Length, other.Length); i++)
                if (first.ElementAtOrDefault(i) != other.ElementAtOrDefault(i))
                    return $"{what}: rank {rank}, on {other[0]}, has {Shown(other, i)}, and rank 0, on {first[0]}, has {Shown(first, i)}. "
                        + "All processes need the same; start them with one command line, and put files where every machine of the run sees them, or copy them anew.";
        }
        return null;

        static string Shown(string[] lines, int i) => i < lines.Length ? $"\"{lines[i].Trim()}\"" : "nothing there";
    }

    /// <summary>The beginning of a hash, long enough for what is different by accident.</summary>
    private static string Hash(IEnumerable<int[]> items) => DataHash.Of(items)[..16];
}
