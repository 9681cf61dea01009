using static TorchSharp.torch;

namespace Gpt35.Model.Torch;

/// <summary>Sequences of one length that lie next to each other.</summary>
/// <param name="Row">First of their rows.</param>
/// <param name="Sequences">How many.</param>
/// <param name="Length">Tokens of each.</param>
internal readonly record struct EqualLengths(int Row, int Sequences, int Length)
{
    public int Rows => Sequences * Length;
}

/// <summary>
/// A batch as tensors. Its sequences are put in the order of their lengths, so that attention, the only place where rows meet, is one call for all
/// sequences of a length and still needs no padding.
/// </summary>
internal sealed class BatchTensors
{
    /// <param name="batch">The batch.</param>
    /// <param name="dropoutKeys">Key of the dropout masks of each sequence, (B,); null for none.</param>
    /// <param name="device">Where the tensors go; they belong to the current scope.</param>
    public BatchTensors(TokenBatch batch, ulong[]? dropoutKeys, Device device)
    {
        var starts = batch.SequenceStarts;
        int[] order = [.. Enumerable.Range(0, batch.SequenceCount).OrderBy(i => starts[i + 1] - starts[i])];
        long[] rows = new long[batch.TokenCount], positions = new long[batch.TokenCount], placeOf = new long[batch.TokenCount];
        var groups = new List<EqualLengths>();
        if (dropoutKeys is not null) DropoutKeys = new ulong[batch.TokenCount];
        var row = 0;
        foreach (var sequence in order)
        {
            var length = starts[sequence + 1] - starts[sequence];
            if (groups is [.., var last] && last.Length == length) groups[^1] = last with { Sequences = last.Sequences + 1 };
            else groups.Add(new EqualLengths(row, 1, length));
            for (var i = 0; i < length; i++, row++)
            {
                (rows[row], positions[row]) = (starts[sequence] + i, i);
                placeOf[starts[sequence] + i] = row;
                if (DropoutKeys is not null) DropoutKeys[row] = Kernels.Dropout.RowKey(dropoutKeys![sequence], i);
            }
        }
        Groups = groups;
        LongestLength = groups[^1].Length;
        Ids = tensor(Array.ConvertAll(rows, at => (long)batch.Tokens[at]), device: device);
        Positions = tensor(positions, device: device);
        ScoredRows = tensor(Array.ConvertAll(batch.ScoredRows, at => placeOf[at]), device: device);
        Targets = tensor(Array.ConvertAll(batch.Targets, id => (long)id), device: device);
    }

    public IReadOnlyList<EqualLengths> Groups { get; }
    public int LongestLength { get; }
    /// <summary>Key of the dropout masks of each row, (T,); null without dropout.</summary>
    public ulong[]? DropoutKeys { get; }
    /// <summary>(T,)</summary>
    public Tensor Ids { get; }
    /// <summary>Place of each token in its sequence, (T,).</summary>
    public Tensor Positions { get; }
    /// <summary>Rows, in the new order, of the scored positions in the batch's order, (N,).</summary>
    public Tensor ScoredRows { get; }
    /// <summary>(N,)</summary>
    public Tensor Targets { get; }
}
