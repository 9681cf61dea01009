namespace Gpt35.Kernels;

/// <summary>What a product with reduced weights does with one tile of inputs; <see cref="TiledProduct{W, V, K}"/> does the rest.</summary>
internal unsafe interface IProductKernel<V> where V : unmanaged
{
    /// <summary>Bytes of a packed tile of that width.</summary>
    long TileBytes(int width);

    /// <summary>Packs one input of a tile.</summary>
    /// <param name="x">(K,), or null for zeros.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="width">Its width.</param>
    /// <param name="place">Which of its inputs.</param>
    void Pack(float* x, byte* tile, int width, int place);

    /// <summary>Groups of rows that meet a tile at a time.</summary>
    int Together { get; }

    /// <summary>What all tiles need of some groups, in working memory of the thread; null where they take the weights as they are.</summary>
    byte* Unpack(int group, int groups);

    /// <summary>Adds the products of some groups with a tile to their sums, (groups, <see cref="InputTiles.Widest"/>).</summary>
    void Multiply(int group, int groups, byte* unpacked, byte* tile, int width, V* sums);

    /// <summary>Adds the products of whole groups with a single input to y, (groups·Count,); false where only <see cref="Multiply"/> does it.</summary>
    bool MultiplyInPlace(int group, int groups, byte* tile, float* y);
}

/// <summary>
/// y_tn = b_n + Σ_k w_nk·x_tk: inputs packed into tiles once, groups of as many rows as a vector has lanes cut into parts for the threads, each
/// group taken through all tiles.
/// </summary>
internal static unsafe class TiledProduct<W, V, K> where W : struct, ILanes<V> where V : unmanaged where K : struct, IProductKernel<V>
{
    /// <summary>Bytes of inputs that a thread goes through for one group of rows after the other: they stay in its second-level cache.</summary>
    private const int CachedBytes = 256 << 10;
    /// <summary>The most groups that <see cref="IProductKernel{V}.Together"/> says.</summary>
    private const int MostTogether = 4;

    /// <param name="pool">Threads to use.</param>
    /// <param name="kernel">Of these weights.</param>
    /// <param name="weights">(N, K).</param>
    /// <param name="x">(T, K).</param>
    /// <param name="inputs">T.</param>
    /// <param name="bias">(N,), or null.</param>
    /// <param name="y">Receives (T, N).</param>
    internal static void Multiply(WorkerPool pool, K kernel, ReducedMatrix weights, float* x, int inputs, float* bias, float* y)
    {
        var tiles = new InputTiles(inputs);
        var bytes = (tiles.Count - 1) * kernel.TileBytes(InputTiles.Widest) + kernel.TileBytes(tiles.Width(tiles.Count - 1));
        var packed = (byte*)Scratch.ForCall(Simd.Pieces(bytes, sizeof(float)));
        var alone = weights.IsSmall(inputs);
        var pack = new PackJob(kernel, x, weights.Columns, tiles, packed);
        if (alone || inputs == 1) pack.RunAll();
        else pool.Run(tiles.Count, pack);
        var groups = Simd.Pieces(weights.Rows, W.Count);
        var shares = alone ? Shares.Whole(groups) : weights.Cut(groups, pool.Threads, kernel.Together);
        pool.Run(shares.Parts, new MultiplyJob(kernel, weights.Rows, packed, tiles, shares, bias, y));
    }

    private readonly struct PackJob(K kernel, float* x, int columns, InputTiles tiles, byte* packed) : IParallelJob
    {
        public void RunAll()
        {
            for (var tile = 0; tile < tiles.Count; tile++) Run(tile);
        }

        public void Run(int part)
        {
            int width = tiles.Width(part), filled = tiles.Filled(part);
            var target = packed + part * (nint)kernel.TileBytes(InputTiles.Widest);
            for (var place = 0; place < width; place++)
                kernel.Pack(place < filled ? x + ((nint)part * InputTiles.Widest + place) * columns : null, target, width, place);
        }
    }

    private readonly struct MultiplyJob(K kernel, int rows, byte* packed, InputTiles tiles, Shares shares, float* bias, float* y) : IParallelJob
    {
        public void Run(int part)
        {
            var (first, end) = shares.Part(part);
            if (tiles.Inputs == 1) first = MultiplyInPlace(first, Math.Min(end, rows / W.Count));
            var tileBytes = (nint)kernel.TileBytes(InputTiles.Widest);
            var sums = stackalloc V[MostTogether * InputTiles.Widest];
            // What was unpacked is used for all tiles; weights that are not come from memory once for as many tiles as stay in the cache.
            var tilesAtOnce = kernel.Together > 1 ? tiles.Count : (int)Math.Max(1, CachedBytes / tileBytes);
            for (var from = 0; from < tiles.Count; from += tilesAtOnce)
                for (var group = first; group < end; group += kernel.Together)
                {
                    var groups = Math.Min(kernel.Together, end - group);
                    var unpacked = kernel.Unpack(group, groups);
                    for (var tile = from; tile < Math.Min(from + tilesAtOnce, tiles.Count); tile++)
                    {
                        Start(group, groups, sums);
                        kernel.Multiply(group, groups, unpacked, packed + tile * tileBytes, tiles.Width(tile), sums);
                        Store(group, groups, tile, sums);
                    }
                }
        }

        /// <summary>Multiplies the only input with whole groups, as far as the kernel does that.</summary>
        /// <returns>The first group that is left.</returns>
        private int MultiplyInPlace(int first, int end)
        {
            if (first >= end) return first;
            int row = first * W.Count, count = (end - first) * W.Count;
            if (bias == null) new Span<float>(y + row, count).Clear();
            else new ReadOnlySpan<float>(bias + row, count).CopyTo(new Span<float>(y + row, count));
            return kernel.MultiplyInPlace(first, end - first, packed, y + row) ? end : first;
        }

        private void Start(int group, int groups, V* sums)
        {
            for (var g = 0; g < groups; g++, sums += InputTiles.Widest)
            {
                int row = (group + g) * W.Count, count = rows - row;
                var start = bias == null ? W.Create(0) : count >= W.Count ? W.Load(bias + row) : LaneMath<W, V>.LoadFirst(bias + row, count);
                for (var i = 0; i < InputTiles.Widest; i++) sums[i] = start;
            }
        }

        private void Store(int group, int groups, int tile, V* sums)
        {
            for (var g = 0; g < groups; g++, sums += InputTiles.Widest)
            {
                int row = (group + g) * W.Count, count = rows - row;
                var target = y + (nint)tile * InputTiles.Widest * rows + row;
                for (var i = 0; i < tiles.Filled(tile); i++, target += rows)
                    if (count >= W.Count) W.Store(target, sums[i]);
                    else LaneMath<W, V>.StoreFirst(target, sums[i], count);
            }
        }
    }
}
