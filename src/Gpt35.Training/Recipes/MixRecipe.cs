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

/// <summary>Rows of several files in fixed proportions, as 'gpt35 data mix' writes them and data.train may name them.</summary>
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

    /// <summary>Whether a path names a mixture rather than a data file.</summary>
    public static bool IsNamedBy(string path) => path.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".yml", StringComparison.OrdinalIgnoreCase);

    /// <summary>The mixture of the files.</summary>
    /// <param name="read">Reads a file; called anew for each pass.</param>
    public Mixture<T> Open<T>(Func<string, IEnumerable<T>> read) =>
        new([.. Sources.Select(source => new MixtureSource<T>(source.File, () => read(source.File), source.Weight, source.Epochs ?? (Rows is null ? 1 : double.PositiveInfinity)))], Seed, ShuffleBuffer);

    /// <summary>The rows of a mixture, no more than asked for.</summary>
    public IEnumerable<T> Read<T>(Mixture<T> mixture) => Rows is { } most ? mixture.Read().Take(most) : mixture.Read();
}
