using Gpt35.Data.TinyWorld;

namespace Gpt35.Data;

/// <summary>One source of a mixture.</summary>
/// <param name="Name">For messages, usually the file.</param>
/// <param name="Open">Its records from the start; called once for each pass.</param>
/// <param name="Weight">Its share against the others' weights; positive.</param>
/// <param name="Epochs">Passes after which it drops out; 1.5 is all of it once and half of it again. Infinity repeats it without end.</param>
public sealed record MixtureSource<T>(string Name, Func<IEnumerable<T>> Open, double Weight = 1, double Epochs = 1);

/// <summary>
/// Records of several sources in fixed proportions: among the sources still in the mixture, after any number of records since the last one dropped out, each has given its share to
/// less than one record (<see cref="FairTurns"/>). A source is read as it is needed, through a shuffle buffer, so memory holds that many records of each source and no more.
/// Same sources and seed, same records in the same order.
/// </summary>
/// <param name="sources">At least one.</param>
/// <param name="seed">Fixes the shuffling and which records make up a part of a pass.</param>
/// <param name="shuffleBuffer">Records held of each source; 0 keeps the order of the file.</param>
public sealed class Mixture<T>(IReadOnlyList<MixtureSource<T>> sources, ulong seed, int shuffleBuffer = Mixture.DefaultShuffleBuffer)
{
    private readonly long[] given = new long[sources.Count];
    private readonly long?[] sizes = new long?[sources.Count];

    /// <summary>Records taken of each source so far.</summary>
    public IReadOnlyList<long> Given => given;

    /// <summary>Records of each source, known once it has been read through.</summary>
    public IReadOnlyList<long?> Sizes => sizes;

    /// <summary>The mixture, until every source has dropped out.</summary>
    /// <exception cref="InvalidDataException">A weight or a number of epochs is not positive.</exception>
    public IEnumerable<T> Read()
    {
        foreach (var source in sources)
            if (!(source.Weight > 0 && source.Epochs > 0 && double.IsFinite(source.Weight)))
                throw new InvalidDataException(FormattableString.Invariant($"{source.Name}: found weight {source.Weight} and {source.Epochs} epochs; expected positive numbers. Leave the file out if it shall not be used."));
        return Mix();
    }

    private IEnumerable<T> Mix()
    {
        Array.Clear(given);
        var active = sources.Select((_, i) => (Index: i, Records: Passes(i).GetEnumerator())).ToList();
        try
        {
            while (active.Count > 0)
            {
                var turns = new FairTurns([.. active.Select(source => sources[source.Index].Weight)]);
                var next = turns.Next();
                for (; active[next].Records.MoveNext(); next = turns.Next())
                {
                    given[active[next].Index]++;
                    yield return active[next].Records.Current;
                }
                active[next].Records.Dispose();
                active.RemoveAt(next);
            }
        }
        finally
        {
            foreach (var (_, records) in active) records.Dispose();
        }
    }

    /// <summary>The records of a source, each pass in an order of its own.</summary>
    private IEnumerable<T> Passes(int index)
    {
        var source = sources[index];
        var whole = Math.Floor(source.Epochs);
        for (long pass = 0; pass < whole; pass++)
        {
            foreach (var record in ShuffleBuffer.Shuffle(Counted(index), shuffleBuffer, Random(index, pass))) yield return record;
            if (sizes[index] == 0) yield break;
        }
        var part = source.Epochs - whole;
        if (!(part > 0)) yield break;
        var size = sizes[index] ??= source.Open().LongCount();
        var wanted = (long)Math.Round(part * size, MidpointRounding.AwayFromZero);
        var sample = ShuffleBuffer.Sample(source.Open(), wanted, size, Random(index, -1));
        foreach (var record in ShuffleBuffer.Shuffle(sample, shuffleBuffer, Random(index, (long)whole))) yield return record;
    }

    private IEnumerable<T> Counted(int index)
    {
        long count = 0;
        foreach (var record in sources[index].Open())
        {
            count++;
            yield return record;
        }
        sizes[index] = count;
    }

    private SeededRandom Random(int index, long pass) => new SeededRandom(seed).Fork($"source {index}, pass {pass}");
}

public static class Mixture
{
    /// <summary>Records of each source that are held to shuffle, unless asked otherwise.</summary>
    public const int DefaultShuffleBuffer = 10_000;
}
