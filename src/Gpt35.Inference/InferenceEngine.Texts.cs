using System.Numerics.Tensors;
using Gpt35.Inference.Scheduling;
using Gpt35.Model;

namespace Gpt35.Inference;

public sealed partial class InferenceEngine
{
    /// <summary>Logits of about this many floats exist at a time while texts are scored: 64 MiB.</summary>
    private const int MostLogitFloats = 1 << 24;

    /// <summary>
    /// One vector per text, (n, D): the outputs of the final norm, pooled. A text's vector has the same bits alone and in any company. Beside running requests
    /// it takes turns with their steps.
    /// </summary>
    /// <param name="texts">Ids of each text.</param>
    /// <param name="pooling">How the tokens' vectors become one.</param>
    /// <param name="normalize">Scale each to length 1, so that the dot product of two is the cosine of their angle.</param>
    /// <param name="adapter">What the model is adapted with; null: nothing.</param>
    /// <param name="cancel">Stops between passes.</param>
    /// <exception cref="ArgumentException">A text is empty, holds an id outside the vocabulary, or is longer than the context; or the adapter does not fit the model.</exception>
    /// <exception cref="InvalidDataException">The model's states are no numbers.</exception>
    /// <exception cref="ObjectDisposedException">The engine, the model or the adapter was disposed of.</exception>
    public float[][] Embed(IReadOnlyList<int[]> texts, Pooling pooling = Pooling.Mean, bool normalize = true, LoraAdapter? adapter = null, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        for (var i = 0; i < texts.Count; i++) RequireReadable(texts[i], i, nameof(texts));
        using var hold = model.Hold(adapter);
        var sums = new double[texts.Count][];
        var reader = new WholeTexts(model, TakeTurn, options, options.TokensPerStep);
        reader.ReadStates([.. texts.Select(text => new WholeText(text, pooling == Pooling.Mean ? 0 : text.Length - 1, adapter))], Add, cancel);
        return [.. sums.Select((sum, i) => Vector(sum, i, pooling == Pooling.Mean ? texts[i].Length : 1, normalize))];

        void Add(int text, int token, ReadOnlySpan<float> state)
        {
            var sum = sums[text] ??= new double[state.Length];
            for (var i = 0; i < sum.Length; i++) sum[i] += state[i];
        }
    }

    /// <summary>
    /// Log-probabilities of given tokens at temperature 1, each given those before it: <c>Chosen[i]</c> is that of token First + i, (n − First,). A text's
    /// have the same bits alone and in any company. Beside running requests it takes turns with their steps.
    /// </summary>
    /// <exception cref="ArgumentException">A text is empty, holds an id outside the vocabulary, or is longer than the context; a number is out of range; or an adapter does not fit the model.</exception>
    /// <exception cref="InvalidDataException">The model's logits are no numbers.</exception>
    /// <exception cref="ObjectDisposedException">The engine, the model or an adapter was disposed of.</exception>
    public TokenLogProbs[] Score(IReadOnlyList<ScoringRequest> requests, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Config.NumScalars > 0) throw new InvalidOperationException("A model with a scalar head has no probabilities of tokens.");
        for (var i = 0; i < requests.Count; i++)
        {
            var (text, first, top) = (requests[i].Text, requests[i].First, requests[i].TopLogProbs);
            RequireReadable(text, i, nameof(requests));
            if (first < 1 || first > text.Length) throw new ArgumentException($"Text {i} is to be scored from token {first} on; expected 1 to its length, {text.Length}.", nameof(requests));
            if (top is < 0 or > SamplingOptions.MostTopLogProbs)
                throw new ArgumentException($"The most likely tokens to report are {top}; expected 0 to {SamplingOptions.MostTopLogProbs}.", nameof(requests));
        }
        var holds = new List<IDisposable>();
        try
        {
            foreach (var adapter in requests.Select(request => request.Adapter).Distinct()) holds.Add(model.Hold(adapter));
            return ScoreHeld(requests, cancel);
        }
        finally
        {
            foreach (var hold in holds) hold.Dispose();
        }
    }

    private TokenLogProbs[] ScoreHeld(IReadOnlyList<ScoringRequest> requests, CancellationToken cancel)
    {
        var found = requests.Select(request => new TokenLogProbs(new float[request.Text.Length - request.First], new TokenLogProb[request.Text.Length - request.First][])).ToArray();
        var memories = new SamplerMemories(Config.VocabSize);
        var (sampler, memory) = (new Sampler(new SamplingOptions(), memories), memories.Rent());
        var budget = Math.Min(options.TokensPerStep, Math.Max(1, MostLogitFloats / Config.VocabSize));
        // What follows the last token is not wanted: it is not even read.
        new WholeTexts(model, TakeTurn, options, budget).ReadLogits(
            [.. requests.Select(request => new WholeText(request.Text.AsMemory(..^1), request.First - 1, request.Adapter))], Add, cancel);
        return found;

        void Add(int text, int token, ReadOnlySpan<float> logits)
        {
            var (request, place) = (requests[text], token + 1 - requests[text].First);
            found[text].Top[place] = new TokenLogProb[Math.Min(request.TopLogProbs, Config.VocabSize)];
            found[text].Chosen[place] = sampler.LogProbabilities(logits, request.Text[token + 1], found[text].Top[place], memory);
        }
    }

    /// <summary>The same of whole texts, from their second token on.</summary>
    public TokenLogProbs[] Score(IReadOnlyList<int[]> texts, CancellationToken cancel = default) => Score([.. texts.Select(text => new ScoringRequest(text))], cancel);

    private static float[] Vector(double[] sum, int text, int count, bool normalize)
    {
        var norm = TensorPrimitives.Norm<double>(sum);
        if (!double.IsFinite(norm)) throw new InvalidDataException($"The states of text {text} are no numbers; the model's weights are damaged, or its training diverged. Use an earlier checkpoint.");
        var divisor = !normalize ? count : norm > 0 ? norm : 1;
        return [.. sum.Select(value => (float)(value / divisor))];
    }

    private void RequireReadable(int[] text, int index, string parameter)
    {
        if (text.Length == 0) throw new ArgumentException($"Text {index} is empty; expected at least one token.", parameter);
        if (text.Length > Config.MaxPositionEmbeddings)
            throw new ArgumentException($"Text {index} has {text.Length} tokens and the model's context holds {Config.MaxPositionEmbeddings}. Shorten it, or cut it into parts.", parameter);
        foreach (var id in text)
            if ((uint)id >= (uint)Config.VocabSize)
                throw new ArgumentException($"Text {index} holds the id {id}; the model's vocabulary ends at {Config.VocabSize - 1}. Is this the model's own tokenizer?", parameter);
    }
}
