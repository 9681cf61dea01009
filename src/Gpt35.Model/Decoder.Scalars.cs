using Gpt35.Kernels;

namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    /// <summary>h·uᵀ, (N, S), and what a head that reads tokens adds.</summary>
    private ReadOnlySpan<float> ForwardScalars(TokenBatch batch, float* h)
    {
        int n = batch.ScoredCount, s = Config.NumScalars, d = Config.HiddenSize;
        var found = scalars.Reserve((long)n * s);
        Gemm.Multiply(pool, new Matrix(h, n, d), HeadMatrix.T, new Matrix(found, n, s));
        if (Config.ScalarHead == ScalarHead.Action) ForwardActions(batch, h, found);
        return new ReadOnlySpan<float>(found, n * s);
    }

    private void BackwardScalars(TokenBatch batch, ReadOnlySpan<float> dScalars, float* dh)
    {
        int n = batch.ScoredCount, s = Config.NumScalars, d = Config.HiddenSize;
        fixed (float* ds = dScalars)
        {
            Gemm.Multiply(pool, new Matrix(ds, n, s), HeadMatrix, new Matrix(dh, n, d), true);
            Gemm.Multiply(pool, new Matrix(ds, n, s).T, new Matrix(finalNorm.Pointer, n, d), HeadGradientMatrix, true);
            if (Config.ScalarHead == ScalarHead.Action) BackwardActions(batch, ds, dh);
        }
    }

    /// <summary>scalar_is += Σ_d w_sd·h_id·E_yd with y the target of scored row i. Little beside a block's products, so on the calling thread.</summary>
    private void ForwardActions(TokenBatch batch, float* h, float* found)
    {
        int s = Config.NumScalars, d = Config.HiddenSize;
        float* w = Weight(OffsetOf(DecoderLayout.ActionScore)), e = Weight(OutputHead);
        for (var i = 0; i < batch.ScoredCount; i++)
            for (var output = 0; output < s; output++)
            {
                float* row = h + (long)i * d, token = e + (long)batch.Targets[i] * d, weight = w + (long)output * d;
                var sum = 0f;
                for (var j = 0; j < d; j++) sum += weight[j] * row[j] * token[j];
                found[(long)i * s + output] += sum;
            }
    }

    /// <summary>dh_i += ds·w∘E_y, dE_y += ds·w∘h_i, dw += ds·h_i∘E_y.</summary>
    private void BackwardActions(TokenBatch batch, float* ds, float* dh)
    {
        int s = Config.NumScalars, d = Config.HiddenSize;
        var at = OffsetOf(DecoderLayout.ActionScore);
        float* w = Weight(at), dw = Gradient(at), e = Weight(OutputHead), de = Gradient(OutputHead);
        for (var i = 0; i < batch.ScoredCount; i++)
            for (var output = 0; output < s; output++)
            {
                long place = (long)i * d, id = (long)batch.Targets[i] * d;
                float* h = finalNorm.Pointer + place, dRow = dh + place, token = e + id, dToken = de + id, weight = w + (long)output * d, dWeight = dw + (long)output * d;
                var slope = ds[(long)i * s + output];
                for (var j = 0; j < d; j++)
                {
                    dRow[j] += slope * weight[j] * token[j];
                    dToken[j] += slope * weight[j] * h[j];
                    dWeight[j] += slope * h[j] * token[j];
                }
            }
    }
}
