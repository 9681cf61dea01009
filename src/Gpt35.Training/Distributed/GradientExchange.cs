using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// Adds up the gradients of all ranks. The flat buffer is divided into one shard per rank; each rank needs the sum of its own shard only, since
/// it updates no other (ZeRO stage 1: Rajbhandari et al. 2020). So this is a reduce-scatter, done as non-blocking sums of small pieces from the end of the
/// buffer to its beginning, which is the order in which a backward pass completes them: the pieces of one layer travel while the next is computed.
/// </summary>
internal sealed unsafe class GradientExchange(ParameterSet parameters, Ranks ranks)
{
    /// <summary>Floats of a piece: 4 MB, so that a layer of any size is under way before the backward pass ends.</summary>
    private const int PieceFloats = 1 << 20;

    private readonly List<(long Offset, int Count, int Owner)> pieces = Pieces(parameters.Count, ranks.Count);
    // MPI matches non-blocking sums by the order of their beginning. A rank without a share of a step begins its sums at the end of the step, those of PPO's two
    // networks one after the other; the other ranks begin them inside the backward passes, interleaved. So each network has a channel of its own.
    private readonly nint channel = ranks.OpenChannel();
    private readonly List<nint> requests = [];
    private int next;

    /// <summary>The next backward pass is the last of this step, so what it completes may go.</summary>
    public void BeginWithNextBackward()
    {
        if (ranks.Count > 1) parameters.GradientsComplete = Begin;
    }

    /// <summary>Waits until this rank's shard holds the sum over all ranks. The other shards are left undefined.</summary>
    public void Finish()
    {
        if (ranks.Count == 1) return;
        parameters.GradientsComplete = null;
        Begin(0);
        ranks.Wait(requests);
        next = 0;
    }

    /// <summary>The part of a flat buffer that a rank updates.</summary>
    public static (long From, long To) Shard(long count, int rank, int ranks)
    {
        // Whole cache lines and whole blocks of the norm's partial sums, so that shards never share either.
        const long Block = 4096;
        var blocks = (count + Block - 1) / Block;
        return (Math.Min(count, blocks * rank / ranks * Block), Math.Min(count, blocks * (rank + 1) / ranks * Block));
    }

    /// <summary>Pieces from the end of the buffer to its beginning, none of which crosses a shard.</summary>
    internal static List<(long Offset, int Count, int Owner)> Pieces(long count, int ranks)
    {
        var pieces = new List<(long, int, int)>();
        for (var owner = ranks - 1; owner >= 0; owner--)
        {
            var (from, to) = Shard(count, owner, ranks);
            for (var end = to; end > from; end -= PieceFloats)
            {
                var start = Math.Max(from, end - PieceFloats);
                pieces.Add((start, (int)(end - start), owner));
            }
        }
        return pieces;
    }

    /// <summary>Begins the sums of every piece at or beyond <paramref name="offset"/> that is not yet under way.</summary>
    private void Begin(long offset)
    {
        for (; next < pieces.Count && pieces[next].Offset >= offset; next++)
            requests.Add(ranks.BeginSum(parameters.GradientPointer + pieces[next].Offset, pieces[next].Count, pieces[next].Owner, channel));
        ranks.Poke(requests);
    }
}
