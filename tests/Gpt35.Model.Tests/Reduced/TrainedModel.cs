using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>A small model that has learned something, so that its perplexity means something: sentences of a little grammar, one token a character.</summary>
public sealed unsafe class TrainedModel : IDisposable
{
    private const string Letters = " .abcdefghijklmnopqrstuvwxyz";
    private const int Window = 64, BatchSize = 12, Steps = 140;
    private static readonly string[] Who = ["the cat", "a dog", "my friend", "the old king", "her brother"], Does = ["sees", "likes", "follows", "never forgets", "paints"],
        What = ["the moon", "a red ball", "every bird", "the quiet sea", "some bread"], When = ["today", "at night", "in winter", "after lunch", ""];

    private readonly WorkerPool pool = new(2);

    public TrainedModel()
    {
        var config = new ModelConfig
        {
            VocabSize = Letters.Length,
            HiddenSize = 64,
            NumHiddenLayers = 2,
            NumAttentionHeads = 4,
            MaxPositionEmbeddings = Window + 1,
            InitializerRange = 0.07f,
        };
        Model = Decoder.Create(config, 1, pool);
        var n = Model.Parameters.Count;
        using NativeBuffer<float> first = new(n), second = new(n);
        for (var step = 1; step <= Steps; step++)
        {
            var batch = new TokenBatchBuilder();
            for (var i = 0; i < BatchSize; i++) batch.AddCompletion(Sample((ulong)(step * BatchSize + i)), 1);
            var built = batch.Build();
            Model.Forward(built, new ForwardRequest { LogProb = true, ForBackward = true });
            Model.Parameters.ZeroGradients();
            var down = new float[built.ScoredCount];
            Array.Fill(down, -1f / built.ScoredCount);
            Model.Backward(new TokenGradients { LogProb = down });
            AdamW.Step(pool, Model.Parameters.ValuePointer, Model.Parameters.GradientPointer, first.Pointer, second.Pointer, n,
                lr: 4e-3f * Math.Min(1, step / 10f) * (1 - 0.9f * step / Steps), beta1: 0.9f, beta2: 0.95f, eps: 1e-8f, weightDecay: 0, step, gradientScale: 1);
        }
    }

    public Decoder Model { get; }

    /// <summary>Mean −log p of a character of sentences that were not trained on, in nats.</summary>
    public static double NatsOf(Decoder model)
    {
        var batch = new TokenBatchBuilder();
        for (var i = 0UL; i < 24; i++) batch.AddCompletion(Sample(1_000_000 + i), 1);
        var built = batch.Build();
        double sum = 0;
        foreach (var logProb in model.Forward(built, new ForwardRequest { LogProb = true }).LogProb) sum -= logProb;
        return sum / built.ScoredCount;
    }

    /// <summary>Sentences, a function of the seed, cut to the window.</summary>
    public static int[] Sample(ulong seed)
    {
        var text = "";
        string One(string[] words) => words[CounterRandom.Hash(seed, (ulong)text.Length) % (ulong)words.Length];
        while (text.Length <= Window)
        {
            text += One(Who) + " ";
            text += One(Does) + " ";
            text += One(What);
            text = (text + " " + One(When)).TrimEnd() + ". ";
        }
        return [.. text[..(Window + 1)].Select(letter => Letters.IndexOf(letter))];
    }

    public void Dispose()
    {
        Model.Dispose();
        pool.Dispose();
    }
}
