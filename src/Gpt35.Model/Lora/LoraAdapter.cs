using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>
/// The trained part of an adapted model: A and B of every target, and the scalar head where the model has one. The base it belongs to is
/// another <see cref="ParameterSet"/>, which stays as it is and may serve several adapters. Any number of decoders and threads may write text with one at the same
/// time; whoever disposes of it meanwhile gets its memory back when the last of them has done.
/// </summary>
public sealed unsafe class LoraAdapter : IDisposable
{
    private readonly ModelConfig shape;                                      // that a base must have
    private readonly LoraPair[][] pairs;                                     // (L)
    private readonly Lock life = new();
    private int users;
    private bool released;

    private LoraAdapter(ModelConfig config, LoraConfig lora, string? basePath)
    {
        config.Validate();
        if (config.ScalarHead == ScalarHead.Action)
            throw new InvalidDataException("an adapter cannot bring a scalar head that reads tokens, since the embedding it reads is frozen. Train the whole model, or take a head that reads the last token.");
        lora.Validate(config);
        (Config, Lora, BasePath) = (config, lora, basePath);
        Parameters = new ParameterSet(LoraLayout.Parameters(config, lora));
        pairs = LoraLayout.Pairs(config, lora, Parameters);
        shape = LoraLayout.BaseShapeOf(config);
    }

    /// <summary>A new adapter that changes nothing yet: B is 0, A uniform in ±1/√in as PEFT starts it; the head as <see cref="DecoderLayout.Initialize"/> would.</summary>
    /// <param name="config">The adapted model; with <see cref="ModelConfig.NumScalars"/> the adapter brings the head.</param>
    /// <param name="lora">Rank, scale and targets.</param>
    /// <param name="seed">Key of the initial values.</param>
    /// <param name="basePath">Folder of the base, which the adapter's folder will name.</param>
    /// <exception cref="InvalidDataException">The two contradict each other.</exception>
    public static LoraAdapter Create(ModelConfig config, LoraConfig lora, ulong seed, string? basePath = null)
    {
        var adapter = new LoraAdapter(config, lora, basePath);
        for (var index = 0; index < adapter.Parameters.All.Count; index++)
        {
            var parameter = adapter.Parameters.All[index];
            var values = adapter.Parameters.ValuesOf(parameter);
            var key = CounterRandom.Hash(seed, (ulong)index);
            if (parameter.Name == LoraLayout.Head)
                for (var i = 0; i < values.Length; i++) values[i] = (float)(CounterRandom.Normal(key, (ulong)i) / Math.Sqrt(config.HiddenSize + 1));
            else if (parameter.Name.EndsWith("lora_A.weight", StringComparison.Ordinal))
                for (var i = 0; i < values.Length; i++) values[i] = (float)((2 * CounterRandom.Uniform(key, (ulong)i) - 1) / Math.Sqrt(parameter.Shape[1]));
        }
        return adapter;
    }

    /// <summary>An adapter whose values the caller fills in; all zeros until then.</summary>
    internal static LoraAdapter CreateEmpty(ModelConfig config, LoraConfig lora, string? basePath) => new(config, lora, basePath);

    /// <summary>A copy, for a configuration that differs in its head or its dropout: a head of the same size is copied, another one is new.</summary>
    internal LoraAdapter Clone(ModelConfig config, ulong seed)
    {
        var clone = Create(config, Lora, seed, BasePath);
        clone.Parameters.CopyFrom(Parameters);
        return clone;
    }

    /// <summary>Shape of the adapted model.</summary>
    public ModelConfig Config { get; }
    public LoraConfig Lora { get; }

    /// <summary>Folder of the base; null while it has none.</summary>
    public string? BasePath { get; }

    /// <summary>For messages: " over PATH", or nothing.</summary>
    internal string OverBase => BasePath is { } path ? $" over {path}" : "";

    /// <summary>What is trained, with its gradients.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The scalar head, (S, D).</summary>
    internal float* Head => Parameters.ValuePointer + Parameters[LoraLayout.Head].Offset;
    internal float* HeadGradient => Parameters.GradientPointer + Parameters[LoraLayout.Head].Offset;

    /// <summary>Why it cannot be used over a base of that <see cref="LoraLayout.BaseShapeOf">shape</see>; null where it can.</summary>
    internal string? MisfitOf(ModelConfig baseShape) => shape == baseShape ? null
        : $"the adapter{OverBase} was made for another shape than this base has: {LoraLayout.Differences(shape, baseShape)}. Use it over the base it was trained over.";

    /// <summary>y += s·(x·Aᵀ)·Bᵀ for the targets of a site.</summary>
    /// <param name="pool">Threads.</param>
    /// <param name="layer">Block.</param>
    /// <param name="site">Product of the block.</param>
    /// <param name="x">(T, in)</param>
    /// <param name="y">(T, out), x·W + b on entry.</param>
    /// <param name="lowRank">Working memory, (T, r).</param>
    internal void Forward(WorkerPool pool, int layer, LinearSite site, Matrix x, Matrix y, GrowingBuffer lowRank)
    {
        foreach (var pair in pairs[layer])
            if (pair.Site == site)
                Gemm.Multiply(pool, Reduce(pool, pair, x, lowRank), B(pair).T, y.Columns(pair.FirstColumn, pair.Columns), accumulate: true);
    }

    /// <summary>dB += s·dyᵀ·(x·Aᵀ), dA += s·(dy·B)ᵀ·x, dx += s·(dy·B)·A.</summary>
    /// <param name="pool">Threads.</param>
    /// <param name="layer">Block.</param>
    /// <param name="site">Product of the block.</param>
    /// <param name="x">(T, in)</param>
    /// <param name="dy">(T, out)</param>
    /// <param name="dx">(T, in), dy·Wᵀ on entry.</param>
    /// <param name="lowRank">Working memory, (T, r).</param>
    /// <param name="lowRankGradient">The same.</param>
    internal void Backward(WorkerPool pool, int layer, LinearSite site, Matrix x, Matrix dy, Matrix dx, GrowingBuffer lowRank, GrowingBuffer lowRankGradient)
    {
        foreach (var pair in pairs[layer])
        {
            if (pair.Site != site) continue;
            var part = dy.Columns(pair.FirstColumn, pair.Columns);
            Gemm.Multiply(pool, part.T, Reduce(pool, pair, x, lowRank), new Matrix(Parameters.GradientPointer + pair.B, pair.Columns, Lora.Rank), accumulate: true);
            var dReduced = new Matrix(lowRankGradient.Reserve((long)x.RowCount * Lora.Rank), x.RowCount, Lora.Rank);
            Gemm.Multiply(pool, part, B(pair), dReduced);
            Scale(dReduced);
            Gemm.Multiply(pool, dReduced.T, x, new Matrix(Parameters.GradientPointer + pair.A, Lora.Rank, pair.Inputs), accumulate: true);
            Gemm.Multiply(pool, dReduced, A(pair), dx, accumulate: true);
        }
    }

    /// <summary>W += s·Aᵀ·Bᵀ in a set of weights of the base's layout, for all targets.</summary>
    internal void AddTo(ParameterSet weights, WorkerPool pool)
    {
        using var change = weights.BeginChange();
        using var buffer = new GrowingBuffer();
        for (var layer = 0; layer < Config.NumHiddenLayers; layer++)
        {
            var block = DecoderLayout.BlockOf(weights, layer);
            foreach (var pair in pairs[layer])
            {
                var scaled = new Matrix(buffer.Reserve((long)Lora.Rank * pair.Inputs), Lora.Rank, pair.Inputs);
                Buffer.MemoryCopy(A(pair).Data, scaled.Data, (long)Lora.Rank * pair.Inputs * sizeof(float), (long)Lora.Rank * pair.Inputs * sizeof(float));
                Scale(scaled);
                var (offset, columns) = WeightOf(block, pair.Site);
                Gemm.Multiply(pool, scaled.T, B(pair).T, new Matrix(weights.ValuePointer + offset, pair.Inputs, columns).Columns(pair.FirstColumn, pair.Columns), accumulate: true);
            }
        }
    }

    /// <summary>Whether its owner has disposed of it; those who have it in use still do.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>One more user, who needs its memory until <see cref="Leave"/>.</summary>
    /// <param name="again">Whether somebody who called this before may still have it in use.</param>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    internal void Enter(bool again = false)
    {
        lock (life)
        {
            ObjectDisposedException.ThrowIf(again ? released : IsDisposed, this);
            users++;
        }
    }

    internal void Leave()
    {
        lock (life)
        {
            users--;
            ReleaseUnused();
        }
    }

    /// <summary>Its memory is free when nobody uses it any more: requests under way end as they began, new ones are refused.</summary>
    public void Dispose()
    {
        lock (life)
        {
            IsDisposed = true;
            ReleaseUnused();
        }
    }

    private void ReleaseUnused()
    {
        if (!IsDisposed || users > 0 || released) return;
        released = true;
        Parameters.Dispose();
    }

    private Matrix A(LoraPair pair) => new(Parameters.ValuePointer + pair.A, Lora.Rank, pair.Inputs);
    private Matrix B(LoraPair pair) => new(Parameters.ValuePointer + pair.B, pair.Columns, Lora.Rank);

    /// <summary>s·x·Aᵀ, (T, r).</summary>
    private Matrix Reduce(WorkerPool pool, LoraPair pair, Matrix x, GrowingBuffer buffer)
    {
        var product = new Matrix(buffer.Reserve((long)x.RowCount * Lora.Rank), x.RowCount, Lora.Rank);
        Gemm.Multiply(pool, x, A(pair).T, product);
        Scale(product);
        return product;
    }

    private void Scale(Matrix matrix)
    {
        var count = (long)matrix.RowCount * matrix.ColumnCount;
        for (long i = 0; i < count; i++) matrix.Data[i] *= Lora.Scale;
    }

    private (long Offset, int Columns) WeightOf(DecoderLayout.Block block, LinearSite site) => site switch
    {
        LinearSite.Qkv => (block.QkvWeight, Config.QueryWidth + 2 * Config.KeyValueWidth),
        LinearSite.Out => (block.OutWeight, Config.HiddenSize),
        LinearSite.Up => (block.UpWeight, Config.GatedMlp ? 2 * Config.IntermediateSize : Config.IntermediateSize),
        _ => (block.DownWeight, Config.HiddenSize),
    };
}
