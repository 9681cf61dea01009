using Gpt35.Kernels;

namespace Gpt35.Training;

/// <summary>The independent random streams of a run. Each number is a function of (seed, stream, index) alone, so a resumed run draws what the unbroken one would have.</summary>
internal enum RandomStream : ulong { Initialization = 1, Documents, Shuffle, Dropout, Rollouts, Minibatches, Ptx, Samples, FillInTheMiddle }

internal static class RandomStreams
{
    public static ulong Key(ulong seed, RandomStream stream, ulong index = 0) =>
        CounterRandom.Hash(CounterRandom.Hash(seed, (ulong)stream), index);

    /// <summary>A permutation of 0 … count − 1 (Fisher and Yates).</summary>
    public static int[] Permutation(int count, ulong key)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            var j = (int)(CounterRandom.Hash(key, (ulong)i) % (ulong)(i + 1));
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }
}
