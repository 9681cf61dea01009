using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    private readonly GrowingBuffer gradient = new(), branchGradient = new(), wideGradient = new(), activatedGradient = new(), normGradient = new();
    private readonly GrowingBuffer rowGradient = new(), rowNormGradient = new();

    public void Backward(in TokenGradients gradients)
    {
        if (lastBatch is not { } batch)
            throw new InvalidOperationException("Backward needs a Forward with ForBackward before it, and only once.");
        if (!gradients.Entropy.IsEmpty && !lastRequest.Entropy)
            throw new InvalidOperationException("A gradient of the entropy needs a Forward that was asked for it.");
        lastBatch = null;                                   // the buffers below overwrite what a second call would need
        int tokens = batch.TokenCount, n = batch.ScoredCount, d = Config.HiddenSize;

        // Head and final norm, on the scored rows only.
        var dh = rowNormGradient.Reserve((long)n * d);
        new Span<float>(dh, n * d).Clear();
        if (!gradients.LogProb.IsEmpty || !gradients.Entropy.IsEmpty) BackwardVocabulary(batch, gradients, dh);
        if (!gradients.Scalars.IsEmpty) BackwardScalars(batch, gradients.Scalars, dh);
        var dRows = rowGradient.Reserve((long)n * d);
        NormalizeBackward(dh, finalRows.Pointer, OffsetOf(DecoderLayout.FinalNormScale), OffsetOf(DecoderLayout.FinalNormShift),
            finalMean.Pointer, finalInverseDeviation.Pointer, n, dRows, false);

        var dx = gradient.Reserve((long)tokens * d);
        new Span<float>(dx, checked(tokens * d)).Clear();
        for (var i = 0; i < n; i++)
        {
            float* from = dRows + (long)i * d, to = dx + (long)batch.ScoredRows[i] * d;
            for (var j = 0; j < d; j++) to[j] += from[j];
        }
        for (var layer = blocks.Length - 1; layer >= 0; layer--)
        {
            BackwardBlock(layer, InputOf(layer, batch), dx, batch);
            // An adapter's gradients lie elsewhere; they are complete when the pass is.
            if (adapter is null) Parameters.GradientsComplete?.Invoke(blocks[layer].Norm1Scale);
        }

        if (adapter is not null) return;                    // nothing below the blocks is trained
        ApplyDropout(dx, (long)tokens * d, lastRequest, place: 0);
        fixed (int* ids = batch.Tokens, starts = batch.SequenceStarts)
            Embedding.Backward(dx, ids, starts, batch.SequenceCount, d,
                Gradient(OffsetOf(DecoderLayout.TokenEmbedding)), Gradient(OffsetOf(DecoderLayout.PositionEmbedding)));
    }

    /// <summary>The residual stream that entered a block, with the block's activations in place: kept since the forward pass, or computed again.</summary>
    private float* InputOf(int layer, TokenBatch batch)
    {
        if (!ActivationCheckpointing) return layer == 0 ? embedded.Pointer : saved[layer - 1].Output;
        // Those of the last block are still there.
        if (layer < blocks.Length - 1) ForwardBlock(layer, inputs[layer].Pointer, batch, lastRequest with { ForBackward = false });
        return inputs[layer].Pointer;
    }

    /// <summary>Turns <paramref name="dx"/>, the gradient of the block's output, into the gradient of its input <paramref name="x"/>, (T, D).</summary>
    private void BackwardBlock(int layer, float* x, float* dx, TokenBatch batch)
    {
        int tokens = batch.TokenCount, d = Config.HiddenSize, f = Config.IntermediateSize, width = Config.QueryWidth;
        var block = blocks[layer];
        var a = ActivationsOf(layer, last: true);
        var dNorm = normGradient.Reserve((long)tokens * Math.Max(d, width));
        var dWide = wideGradient.Reserve((long)tokens * Math.Max(UpWidth, QkvWidth));

        // output = middle + dropout(act(norm2·Up + b)·Down + b)
        var dBranch = BranchGradient(dx, (long)tokens * d, place: 2 * layer + 2);
        var dActivated = Config.GatedMlp ? activatedGradient.Reserve((long)tokens * f) : dWide;
        BackwardLinear(layer, LinearSite.Down, a.Activated, dBranch, tokens, f, d, block.DownWeight, block.DownBias, dActivated);
        if (Config.GatedMlp) Nonlinear.BackwardGated(pool, nonlinearity, a.Up, dActivated, tokens, f, dWide);
        else Nonlinear.Backward(pool, nonlinearity, a.Up, dWide, (long)tokens * f, dWide);
        BackwardLinear(layer, LinearSite.Up, a.Norm2, dWide, tokens, d, UpWidth, block.UpWeight, block.UpBias, dNorm);
        NormalizeBackward(dNorm, a.Middle, block.Norm2Scale, block.Norm2Shift, a.Norm2Mean, a.Norm2InverseDeviation, tokens, dx, true);

        // middle = x + dropout(Attention(norm1·Qkv + b)·Out + b)
        dBranch = BranchGradient(dx, (long)tokens * d, place: 2 * layer + 1);
        BackwardLinear(layer, LinearSite.Out, a.Attended, dBranch, tokens, width, d, block.OutWeight, block.OutBias, dNorm);
        fixed (int* starts = batch.SequenceStarts)
            CausalAttention.Backward(pool, a.Qkv, a.Attended, dNorm, a.LogSumExp, starts, batch.SequenceCount, shapes[layer], dWide);
        Rotate(dWide, positions.AsSpan(0, rotary is null ? 0 : tokens), back: true);
        BackwardLinear(layer, LinearSite.Qkv, a.Norm1, dWide, tokens, d, QkvWidth, block.QkvWeight, block.QkvBias, dNorm);
        NormalizeBackward(dNorm, x, block.Norm1Scale, block.Norm1Shift, a.Norm1Mean, a.Norm1InverseDeviation, tokens, dx, true);
    }

    /// <summary>The way back through <see cref="Normalize"/>: sets dx or adds to it, and adds to the gradients of scale and shift.</summary>
    private void NormalizeBackward(float* dy, float* x, long scale, long shift, float* mean, float* inverseDeviation, int rows, float* dx, bool accumulate)
    {
        if (Config.Normalization == Normalization.RmsNorm)
            RmsNorm.Backward(pool, dy, x, Weight(scale), inverseDeviation, rows, Config.HiddenSize, dx, accumulate, NormGradient(scale));
        else
            LayerNorm.Backward(pool, dy, x, Weight(scale), mean, inverseDeviation, rows, Config.HiddenSize, dx, accumulate, NormGradient(scale), NormGradient(shift));
    }

    /// <summary>y = x·W + b: dW += xᵀ·dy, db += Σ dy, dx = dy·Wᵀ; with an adapter its gradients in place of those of W and b.</summary>
    private void BackwardLinear(int layer, LinearSite site, float* x, float* dy, int tokens, int inputs, int outputs, long weight, long bias, float* dx)
    {
        Matrix from = new(x, tokens, inputs), dyMatrix = new(dy, tokens, outputs), dxMatrix = new(dx, tokens, inputs);
        if (adapter is null)
        {
            Multiply(Dtype, from.T, dyMatrix, GradientMatrix(weight, inputs, outputs), true);
            if (bias != DecoderLayout.Absent) VectorMath.AddRowSum(pool, dy, tokens, outputs, Gradient(bias));
        }
        Multiply(Dtype, dyMatrix, WeightMatrix(weight, inputs, outputs).T, dxMatrix);
        adapter?.Backward(pool, layer, site, from, dyMatrix, dxMatrix);
    }

    /// <summary>The gradient that enters a residual branch: dx itself, or its copy under the branch's dropout mask.</summary>
    private float* BranchGradient(float* dx, long count, int place)
    {
        if (lastRequest.DropoutKey is null || Config.ResidDropout == 0) return dx;
        var masked = branchGradient.Reserve(count);
        Buffer.MemoryCopy(dx, masked, count * sizeof(float), count * sizeof(float));
        ApplyDropout(masked, count, lastRequest, place);
        return masked;
    }

    private void BackwardVocabulary(TokenBatch batch, in TokenGradients gradients, float* dh)
    {
        int n = batch.ScoredCount, d = Config.HiddenSize, v = Config.VocabSize;
        var head = OutputHead;
        fixed (int* targets = batch.Targets)
        fixed (float* dLogProb = gradients.LogProb, dEntropy = gradients.Entropy)
            for (int from = 0, most = LogitRowsAtOnce(n, true); from < n; from += most)
            {
                var rows = Math.Min(most, n - from);
                // A batch of one chunk still has its logits from the forward pass.
                var chunk = n == most ? new Matrix(logits.Pointer, rows, v) : LogitsOf(finalNorm.Pointer, from, rows);
                VocabularyLoss.Backward(pool, chunk, targets + from, lastRequest.Temperature, logSumExp.Pointer + from,
                    entropies.Pointer == null ? null : entropies.Pointer + from,
                    gradients.LogProb.IsEmpty ? null : dLogProb + from, gradients.Entropy.IsEmpty ? null : dEntropy + from);
                Multiply(Dtype, chunk, WeightMatrix(head, v, d), new Matrix(dh + (long)from * d, rows, d), true);
                if (adapter is null) Multiply(Dtype, chunk.T, new Matrix(finalNorm.Pointer + (long)from * d, rows, d), GradientMatrix(head, v, d), true);
            }
    }
}
