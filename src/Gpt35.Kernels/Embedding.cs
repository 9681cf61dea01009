namespace Gpt35.Kernels;

/// <summary>y_t = table[token_t] + positions[index of t within its sequence]; without the latter where positions are not learned.</summary>
public static unsafe class Embedding
{
    /// <param name="pool">Threads to use.</param>
    /// <param name="table">(V, width).</param>
    /// <param name="positions">(context, width), or null.</param>
    /// <param name="tokens">(T,), each below V.</param>
    /// <param name="starts">Where each sequence starts, and T at the end, (sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="width">Columns.</param>
    /// <param name="y">Receives (T, width).</param>
    public static void Forward(
        WorkerPool pool, float* table, float* positions, int* tokens, int* starts, int sequences, int width, float* y) =>
        pool.Run(sequences, new ForwardJob(table, positions, tokens, starts, width, y));

    /// <summary>Adds dy to the rows it came from, in the order of the rows, on the calling thread: tokens repeat, and sums keep their order.</summary>
    /// <param name="dy">(T, width).</param>
    /// <param name="tokens">(T,).</param>
    /// <param name="starts">(sequences + 1,).</param>
    /// <param name="sequences">Sequences.</param>
    /// <param name="width">Columns.</param>
    /// <param name="dTable">Added to, (V, width).</param>
    /// <param name="dPositions">Added to, (context, width), or null.</param>
    public static void Backward(float* dy, int* tokens, int* starts, int sequences, int width, float* dTable, float* dPositions)
    {
        for (var sequence = 0; sequence < sequences; sequence++)
            for (var t = starts[sequence]; t < starts[sequence + 1]; t++)
            {
                var row = dy + (nint)t * width;
                VectorMath.AddRow(row, width, dTable + (nint)tokens[t] * width);
                if (dPositions != null) VectorMath.AddRow(row, width, dPositions + (nint)(t - starts[sequence]) * width);
            }
    }

    private readonly struct ForwardJob(float* table, float* positions, int* tokens, int* starts, int width, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            for (var t = starts[part]; t < starts[part + 1]; t++)
            {
                var target = y + (nint)t * width;
                new Span<float>(table + (nint)tokens[t] * width, width).CopyTo(new(target, width));
                if (positions != null) VectorMath.AddRow(positions + (nint)(t - starts[part]) * width, width, target);
            }
        }
    }
}
