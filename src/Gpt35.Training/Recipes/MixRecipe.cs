using System.ComponentModel.DataAnnotations;
using Gpt35.Data;

namespace Gpt35.Training;

/// <summary>A file of a mixture.</summary>
public sealed record MixSourceOptions
{
    /// <summary>A data file.</summary>
    public required string File { get; init; }

    /// <summary>Its share of the rows against the other files' weights.</summary>
    [Range(1e-9, 1e9)]
    public double Weight { get; init; } = 1;

    /// <summary>Passes over the file, then it drops out; 1.5 is all of it once and half of it again. Left out: 1, or as many as it takes where <see cref="MixRecipe.Rows"/> is given.</summary>
    [Range(1e-9, 1e9)]
    public double? Epochs { get; init; }
}

/// <summary>What 'gpt35 data mix' makes: rows of several files in fixed proportions.</summary>
public sealed record MixRecipe
{
    /// <summary>Fixes the order.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The files.</summary>
    public required IReadOnlyList<MixSourceOptions> Sources { get; init; }

    /// <summary>Rows to write; left out, until every file has dropped out.</summary>
    [Range(1, int.MaxValue)]
    public int? Rows { get; init; }

    /// <summary>Rows held of each file to shuffle; 0 keeps its order.</summary>
    [Range(0, 100_000_000)]
    public int ShuffleBuffer { get; init; } = Mixture.DefaultShuffleBuffer;

    /// <summary>The mixture of the files, read as the given kind.</summary>
    public Mixture<DataRecord> Open(RecordKind kind, Action<string>? warn = null)
    {
        var warned = new HashSet<string>();                              // a file that is read again warns once
        return new Mixture<DataRecord>(
            [.. Sources.Select(source => new MixtureSource<DataRecord>(
                source.File, () => RecordFile.Read(source.File, kind, line => { if (warned.Add(line)) warn?.Invoke(line); }), source.Weight, source.Epochs ?? (Rows is null ? 1 : double.PositiveInfinity)))],
            Seed, ShuffleBuffer);
    }
}
