using Gpt35.Kernels;

namespace Gpt35.Model;

// From the final norm's h, (N, D), through the vocabulary to the numbers of the losses, and back. The logits, (N, V), would be the largest buffer of a pass: they exist for some rows at a time, each chunk
// multiplied, scored and, where the gradient is known already, multiplied back before the next one takes its place.
public sealed unsafe partial class Decoder
{
    /// <summary>
    /// Rows whose logits exist at a time, as of a block's products; half of them where they are many. The whole vocabulary is packed anew for every chunk: beside 1,024 rows the products take 3 % longer with 512
    /// (7 in bfloat16), 6 with 256 and 25 with 64.
    /// </summary>
    private const int LogitRows = BlockRows, FewestLogitRows = 512;
    /// <summary>Many: 128 MB.</summary>
    private const long ManyLogits = 1 << 25;
    /// <summary>Where only the loss itself gives the gradient, a batch with fewer logits than this, 64 MB, is one chunk, so that the backward pass need not multiply once more.</summary>
    private const long KeptLogits = 1 << 24;

    private readonly GrowingBuffer logits = new(), logSumExp = new(), logProbs = new(), entropies = new();

    /// <summary>log p of the targets and, where asked, entropies; sets dh of the whole batch where the gradient of log p is known.</summary>
    private ReadOnlySpan<float> ForwardVocabulary(TokenBatch batch, ForwardRequest what, float* h)
    {
        int n = batch.ScoredCount, d = Config.HiddenSize;
        var found = logProbs.Reserve(n);
        var entropy = what.Entropy ? entropies.Reserve(n) : null;
        logSumExp.Reserve(n);
        var dh = what.GoesBackAtOnce ? rowNormGradient.Reserve((long)n * d) : null;
        fixed (int* targets = batch.Targets)
        fixed (float* dLogProb = what.LogProbGradient.Span)
            for (int from = 0, most = LogitRowsAtOnce(n, what.ForBackward, what.GoesBackAtOnce); from < n; from += most)
            {
                var chunk = LogitsOf(h, from, Math.Min(most, n - from));
                VocabularyLoss.Forward(pool, chunk, targets + from, what.Temperature, found + from,
                    entropy == null ? null : entropy + from, logSumExp.Pointer + from);
                if (dh != null) BackwardChunk(chunk, from, targets, dLogProb, null, dh);
            }
        return new ReadOnlySpan<float>(found, n);
    }

    /// <summary>Sets dh, (N, D), and adds to the gradient of the projection, unless <see cref="ForwardVocabulary"/> has done so.</summary>
    private void BackwardVocabulary(TokenBatch batch, in TokenGradients gradients, float* dh)
    {
        if (lastRequest.GoesBackAtOnce) return;
        var n = batch.ScoredCount;
        fixed (int* targets = batch.Targets)
        fixed (float* dLogProb = gradients.LogProb, dEntropy = gradients.Entropy)
            for (int from = 0, most = LogitRowsAtOnce(n, true, false); from < n; from += most)
            {
                var rows = Math.Min(most, n - from);
                // A batch of one chunk still has its logits from the forward pass.
                var chunk = n == most ? new Matrix(logits.Pointer, rows, Config.VocabSize) : LogitsOf(finalNorm.Pointer, from, rows);
                BackwardChunk(chunk, from, targets, gradients.LogProb.IsEmpty ? null : dLogProb, gradients.Entropy.IsEmpty ? null : dEntropy, dh);
            }
    }

    /// <summary>Turns the logits of rows <paramref name="from"/> … into their gradient, and that into dh of these rows and what it adds to the gradient of the projection.</summary>
    private void BackwardChunk(Matrix chunk, int from, int* targets, float* dLogProb, float* dEntropy, float* dh)
    {
        int rows = chunk.RowCount, d = Config.HiddenSize, v = Config.VocabSize;
        VocabularyLoss.Backward(pool, chunk, targets + from, lastRequest.Temperature, logSumExp.Pointer + from,
            dEntropy == null ? null : entropies.Pointer + from, dLogProb == null ? null : dLogProb + from, dEntropy == null ? null : dEntropy + from);
        Multiply(Dtype, chunk, WeightMatrix(OutputHead, v, d), new Matrix(dh + (long)from * d, rows, d));
        if (adapter is null) Multiply(Dtype, chunk.T, new Matrix(finalNorm.Pointer + (long)from * d, rows, d), GradientMatrix(OutputHead, v, d), true);
    }

    /// <summary>h·Eᵀ for rows <paramref name="from"/> … of the scored rows, in the shared chunk buffer.</summary>
    private Matrix LogitsOf(float* h, int from, int rows)
    {
        int d = Config.HiddenSize, v = Config.VocabSize;
        var chunk = new Matrix(logits.Reserve((long)rows * v), rows, v);
        ProjectVocabulary(h + (long)from * d, rows, chunk.Data, Dtype);
        return chunk;
    }

    /// <summary>logits = h·Eᵀ, (rows, V).</summary>
    private void ProjectVocabulary(float* h, int rows, float* logits, Dtype format)
    {
        int d = Config.HiddenSize, v = Config.VocabSize;
        if (reduced is not null) reduced.OutputHead.Multiply(pool, h, rows, null, logits);
        else Multiply(format, new Matrix(h, rows, d), WeightMatrix(OutputHead, v, d).T, new Matrix(logits, rows, v));
    }

    private int LogitRowsAtOnce(int n, bool forBackward, bool atOnce) => LogitRowsLimit is { } limit ? Math.Min(n, limit) : LogitRowsAtOnce(Config, n, forBackward, atOnce);

    /// <summary>Another limit, for tests.</summary>
    internal int? LogitRowsLimit { private get; set; }

    /// <summary>Of how many of n scored rows the logits exist at a time; an even number, because products in bfloat16 go by pairs of rows.</summary>
    /// <param name="config">Shape.</param>
    /// <param name="n">N.</param>
    /// <param name="forBackward">Whether a backward pass follows.</param>
    /// <param name="atOnce">Whether it needs them no more, because <see cref="ForwardRequest.LogProbGradient"/> was known.</param>
    internal static int LogitRowsAtOnce(ModelConfig config, int n, bool forBackward, bool atOnce) =>
        forBackward && !atOnce && (long)n * config.VocabSize <= KeptLogits ? n : Math.Min(n, (long)LogitRows * config.VocabSize > ManyLogits ? FewestLogitRows : LogitRows);
}
