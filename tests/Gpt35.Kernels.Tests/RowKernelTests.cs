namespace Gpt35.Kernels.Tests;

public sealed unsafe class LayerNormTests
{
    private const float Eps = 1e-5f;
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Forward_agrees_with_the_definition_at_any_width(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 1), (3, 2), (2, 7), (5, 16), (4, 31), (70, 33), (9, 128), (2, 300) })
        {
            using Guarded x = new(Support.Normal(rows * width, 1, 3)), gamma = new(Support.Normal(width, 2)), beta = new(Support.Normal(width, 3));
            using Guarded y = new(rows * width), mean = new(rows), rstd = new(rows);
            Support.InTier(tier, () => LayerNorm.Forward(Support.Pools[1], x, gamma, beta, Eps, rows, width, y, mean, rstd));
            for (var i = 0; i < rows; i++)
            {
                var (row, expected) = (Support.Widen(x.Span.Slice(i * width, width)), new double[width]);
                LayerNorm.Reference(row, Support.Widen(gamma.Span), Support.Widen(beta.Span), Eps, expected);
                Support.Close(expected, y.Span.Slice(i * width, width), 1e-4);
                Assert.Equal(row.Average(), mean.Span[i], 1e-5);
            }
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Backward_agrees_with_finite_differences_of_the_definition(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 5), (3, 16), (2, 37), (67, 6) })
        {
            using Guarded x = new(Support.Normal(rows * width, 1)), gamma = new(Support.Normal(width, 2)), beta = new(Support.Normal(width, 3));
            using Guarded dy = new(Support.Normal(rows * width, 4)), y = new(rows * width), mean = new(rows), rstd = new(rows);
            using Guarded dx = new(Support.Normal(rows * width, 5)), dGamma = new(Support.Normal(width, 6)), dBeta = new(Support.Normal(width, 7));
            var (weights, before) = (Support.Widen(dy.Span), (X: Support.Widen(dx.Span), Gamma: Support.Widen(dGamma.Span), Beta: Support.Widen(dBeta.Span)));

            double Loss(double[] xs, double[] gammas, double[] betas)
            {
                var ys = new double[rows * width];
                for (var i = 0; i < rows; i++) LayerNorm.Reference(xs.AsSpan(i * width, width), gammas, betas, Eps, ys.AsSpan(i * width, width));
                return Support.Dot(weights, ys);
            }

            var (xd, gd, bd) = (Support.Widen(x.Span), Support.Widen(gamma.Span), Support.Widen(beta.Span));
            Support.InTier(tier, () =>
            {
                LayerNorm.Forward(Support.Pools[0], x, gamma, beta, Eps, rows, width, y, mean, rstd);
                LayerNorm.Backward(Support.Pools[2], dy, x, gamma, mean, rstd, rows, width, dx, true, dGamma, dBeta);
            });
            Support.Close(Sum(before.X, Support.Gradient(v => Loss(v, gd, bd), xd)), dx.Span, 1e-3);
            Support.Close(Sum(before.Gamma, Support.Gradient(v => Loss(xd, v, bd), gd)), dGamma.Span, 1e-3);
            Support.Close(Sum(before.Beta, Support.Gradient(v => Loss(xd, gd, v), bd)), dBeta.Span, 1e-3);
            Support.InTier(tier, () => LayerNorm.Backward(Support.Pools[2], dy, x, gamma, mean, rstd, rows, width, dx, false, dGamma, dBeta));
            Support.Close(Support.Gradient(v => Loss(v, gd, bd), xd), dx.Span, 1e-3);
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_residual_is_added_first_with_the_bits_of_a_sum_of_its_own(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 1), (3, 7), (70, 33), (9, 128) })
        {
            float[] left = Support.Normal(rows * width, 1), right = Support.Normal(rows * width, 2);
            using Guarded x = new(left), sum = new(left), residual = new(right), gamma = new(Support.Normal(width, 3)), beta = new(Support.Normal(width, 4));
            using Guarded y = new(rows * width), mean = new(rows), rstd = new(rows), expected = new(rows * width), expectedMean = new(rows), expectedRstd = new(rows);
            Support.InTier(tier, () =>
            {
                LayerNorm.Forward(Support.Pools[1], x, gamma, beta, Eps, rows, width, y, mean, rstd, residual);
                VectorMath.Add(Support.Pools[1], residual, rows * width, sum);
                LayerNorm.Forward(Support.Pools[1], sum, gamma, beta, Eps, rows, width, expected, expectedMean, expectedRstd);
            });
            Assert.Equal(left.Zip(right, (a, b) => a + b), x.Array);
            Assert.Equal([.. expected.Array, .. expectedMean.Array, .. expectedRstd.Array], (float[])[.. y.Array, .. mean.Array, .. rstd.Array]);
            Assert.Equal(right, residual.Array);
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void The_number_of_threads_changes_no_bit(SimdTier tier)
    {
        const int Rows = 300, Width = 40;
        using Guarded x = new(Support.Normal(Rows * Width, 1)), gamma = new(Support.Normal(Width, 2)), dy = new(Support.Normal(Rows * Width, 3));
        var results = Support.Pools.Select(pool =>
        {
            using Guarded y = new(Rows * Width), mean = new(Rows), rstd = new(Rows), dGamma = new(Width), dBeta = new(Width);
            Support.InTier(tier, () =>
            {
                LayerNorm.Forward(pool, x, gamma, gamma, Eps, Rows, Width, y, mean, rstd);
                LayerNorm.Backward(pool, dy, x, gamma, mean, rstd, Rows, Width, y, false, dGamma, dBeta);
            });
            return (float[])[.. y.Array, .. dGamma.Array, .. dBeta.Array];
        }).ToArray();
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    private static double[] Sum(double[] x, double[] y) => [.. x.Zip(y, (a, b) => a + b)];
}

public sealed unsafe class SelectedRowsTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(7)]
    public void Selected_rows_come_out_in_order_and_go_back_among_zeros(int every)
    {
        const int Rows = 200, Width = 5;
        int[] selected = [.. Enumerable.Range(0, Rows).Where(row => row % every == every / 2)];
        using Guarded x = new(Support.Normal(Rows * Width, 1)), y = new(selected.Length * Width), back = new(Support.Normal(Rows * Width, 2));
        fixed (int* at = selected)
        {
            SelectedRows.Gather(Support.Pools[1], x, at, selected.Length, Width, y);
            SelectedRows.Scatter(Support.Pools[1], y, at, selected.Length, Rows, Width, back);
        }
        Assert.Equal(selected.SelectMany(row => x.Array[(row * Width)..((row + 1) * Width)]), y.Array);
        Assert.Equal(Enumerable.Range(0, Rows * Width).Select(i => selected.Contains(i / Width) ? x.Array[i] : 0), back.Array);
    }
}

public sealed unsafe class RmsNormTests
{
    private const float Eps = 1e-5f;
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Forward_agrees_with_the_definition_at_any_width(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 1), (3, 2), (2, 7), (5, 16), (4, 31), (70, 33), (9, 128), (2, 300) })
        {
            using Guarded x = new(Support.Normal(rows * width, 1, 3)), gamma = new(Support.Normal(width, 2)), y = new(rows * width), rstd = new(rows);
            Support.InTier(tier, () => RmsNorm.Forward(Support.Pools[1], x, gamma, Eps, rows, width, y, rstd));
            for (var i = 0; i < rows; i++)
            {
                var expected = new double[width];
                RmsNorm.Reference(Support.Widen(x.Span.Slice(i * width, width)), Support.Widen(gamma.Span), Eps, expected);
                Support.Close(expected, y.Span.Slice(i * width, width), 1e-5);
            }
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void Backward_agrees_with_finite_differences_of_the_definition(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 5), (3, 16), (2, 37), (67, 6) })
        {
            using Guarded x = new(Support.Normal(rows * width, 1)), gamma = new(Support.Normal(width, 2)), dy = new(Support.Normal(rows * width, 4));
            using Guarded y = new(rows * width), rstd = new(rows), dx = new(Support.Normal(rows * width, 5)), dGamma = new(Support.Normal(width, 6));
            double[] weights = Support.Widen(dy.Span), dxBefore = Support.Widen(dx.Span), dGammaBefore = Support.Widen(dGamma.Span);
            double Loss(double[] xs, double[] gammas)
            {
                var ys = new double[rows * width];
                for (var i = 0; i < rows; i++) RmsNorm.Reference(xs.AsSpan(i * width, width), gammas, Eps, ys.AsSpan(i * width, width));
                return Support.Dot(weights, ys);
            }

            double[] xd = Support.Widen(x.Span), gd = Support.Widen(gamma.Span);
            Support.InTier(tier, () =>
            {
                RmsNorm.Forward(Support.Pools[0], x, gamma, Eps, rows, width, y, rstd);
                RmsNorm.Backward(Support.Pools[2], dy, x, gamma, rstd, rows, width, dx, true, dGamma);
            });
            var slope = Support.Gradient(v => Loss(v, gd), xd);
            Support.Close([.. slope.Zip(dxBefore, (a, b) => a + b)], dx.Span, 1e-4);
            Support.Close([.. Support.Gradient(v => Loss(xd, v), gd).Zip(dGammaBefore, (a, b) => a + b)], dGamma.Span, 1e-4);
            Support.InTier(tier, () => RmsNorm.Backward(Support.Pools[2], dy, x, gamma, rstd, rows, width, dx, false, dGamma));
            Support.Close(slope, dx.Span, 1e-4);
        }
    }

    [Fact]
    public void Three_and_four_by_hand()
    {
        // mean(9, 16) = 12.5
        using Guarded x = new([3, 4]), gamma = new([1, 2]), y = new(2);
        RmsNorm.Forward(Support.Pools[0], x, gamma, 0, 1, 2, y, null);
        Support.Close([3 / Math.Sqrt(12.5), 8 / Math.Sqrt(12.5)], y.Span, 1e-6);
    }

    [Theory, MemberData(nameof(Tiers))]
    public void A_residual_is_added_first_with_the_bits_of_a_sum_of_its_own(SimdTier tier)
    {
        foreach (var (rows, width) in new[] { (1, 1), (3, 7), (70, 33), (9, 128) })
        {
            float[] left = Support.Normal(rows * width, 1), right = Support.Normal(rows * width, 2);
            using Guarded x = new(left), sum = new(left), residual = new(right), gamma = new(Support.Normal(width, 3));
            using Guarded y = new(rows * width), rstd = new(rows), expected = new(rows * width), expectedRstd = new(rows);
            Support.InTier(tier, () =>
            {
                RmsNorm.Forward(Support.Pools[1], x, gamma, Eps, rows, width, y, rstd, residual);
                VectorMath.Add(Support.Pools[1], residual, rows * width, sum);
                RmsNorm.Forward(Support.Pools[1], sum, gamma, Eps, rows, width, expected, expectedRstd);
            });
            Assert.Equal(left.Zip(right, (a, b) => a + b), x.Array);
            Assert.Equal([.. expected.Array, .. expectedRstd.Array], (float[])[.. y.Array, .. rstd.Array]);
            Assert.Equal(right, residual.Array);
        }
    }

    [Theory, MemberData(nameof(Tiers))]
    public void The_number_of_threads_changes_no_bit(SimdTier tier)
    {
        const int Rows = 300, Width = 40;
        using Guarded x = new(Support.Normal(Rows * Width, 1)), gamma = new(Support.Normal(Width, 2)), dy = new(Support.Normal(Rows * Width, 3));
        var results = Support.Pools.Select(pool =>
        {
            using Guarded y = new(Rows * Width), rstd = new(Rows), dGamma = new(Width);
            Support.InTier(tier, () =>
            {
                RmsNorm.Forward(pool, x, gamma, Eps, Rows, Width, y, rstd);
                RmsNorm.Backward(pool, dy, x, gamma, rstd, Rows, Width, y, false, dGamma);
            });
            return (float[])[.. y.Array, .. dGamma.Array];
        }).ToArray();
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }
}

public sealed unsafe class VocabularyLossTests
{
    public static TheoryData<SimdTier> Tiers => Support.Tiers;

    [Theory, MemberData(nameof(Tiers))]
    public void Forward_and_backward_agree_with_the_definition(SimdTier tier)
    {
        foreach (var (rows, vocabulary, temperature) in new[] { (1, 1, 1f), (5, 3, 1f), (3, 16, 0.7f), (9, 45, 1f), (2, 130, 2.5f) })
            foreach (var (useLogProb, useEntropy) in new[] { (true, true), (true, false), (false, true) })
                Check(tier, rows, vocabulary, temperature, useLogProb, useEntropy);
    }

    [Fact]
    public void Uniform_logits_have_log_probability_minus_log_V_and_entropy_log_V()
    {
        using Guarded logits = new(8), logProb = new(1), entropy = new(1), lse = new(1);
        logits.Span.Fill(1000);
        var target = 3;
        VocabularyLoss.Forward(Support.Pools[0], new Matrix(logits, 1, 8), &target, 1, logProb, entropy, lse);
        Assert.Equal(-Math.Log(8), logProb.Span[0], 1e-6);
        Assert.Equal(Math.Log(8), entropy.Span[0], 1e-6);
        Assert.Equal(1000 + Math.Log(8), lse.Span[0], 1e-3);
    }

    [Fact]
    public void A_row_alone_has_the_bits_it_has_among_others()
    {
        const int Rows = 21, V = 67;
        var numbers = Support.Normal(Rows * V, 1, 4);
        using Guarded logits = new(numbers), logProb = new(Rows), entropy = new(Rows), lse = new(Rows), one = new(3);
        var targets = Enumerable.Range(0, Rows).ToArray();
        fixed (int* t = targets)
        {
            VocabularyLoss.Forward(Support.Pools[2], new Matrix(logits, Rows, V), t, 0.9f, logProb, entropy, lse);
            for (var i = 0; i < Rows; i++)
            {
                VocabularyLoss.Forward(Support.Pools[0], new Matrix(logits, Rows, V).Rows(i, 1), t + i, 0.9f, one, one.Pointer + 1, one.Pointer + 2);
                Assert.Equal([logProb.Span[i], entropy.Span[i], lse.Span[i]], one.Array);
            }
        }
    }

    private static void Check(SimdTier tier, int rows, int vocabulary, float temperature, bool useLogProb, bool useEntropy)
    {
        var stride = vocabulary + 3;
        using Guarded logits = new(Support.Normal(rows * stride, 1, 3)), logProb = new(rows), entropy = new(rows), lse = new(rows);
        using Guarded dLogProb = new(Support.Normal(rows, 2)), dEntropy = new(Support.Normal(rows, 3));
        var before = Support.Widen(logits.Span);
        var targets = Enumerable.Range(0, rows).Select(i => i * 7 % vocabulary).ToArray();
        fixed (int* t = targets)
        {
            var (matrix, target) = (new Matrix(logits, rows, vocabulary, stride, 1), (nint)t);
            Support.InTier(tier, () =>
            {
                VocabularyLoss.Forward(Support.Pools[2], matrix, (int*)target, temperature, logProb, entropy, lse);
                VocabularyLoss.Backward(Support.Pools[1], matrix, (int*)target, temperature, lse, useEntropy ? entropy.Pointer : null,
                    useLogProb ? dLogProb.Pointer : null, useEntropy ? dEntropy.Pointer : null);
            });
        }
        for (var i = 0; i < rows; i++)
        {
            var z = before.AsSpan(i * stride, vocabulary).ToArray();
            var (expectedLogProb, expectedEntropy) = VocabularyLoss.Reference(z, targets[i], temperature);
            Assert.Equal(expectedLogProb, logProb.Span[i], 1e-4);
            Assert.Equal(expectedEntropy, entropy.Span[i], 1e-4);
            var (a, b) = (useLogProb ? dLogProb.Span[i] : 0, useEntropy ? dEntropy.Span[i] : 0);
            var gradient = Support.Gradient(v =>
            {
                var (p, h) = VocabularyLoss.Reference(v, targets[i], temperature);
                return a * p + b * h;
            }, z);
            Support.Close(gradient, logits.Span.Slice(i * stride, vocabulary), 1e-4);
            Support.Close(before.AsSpan(i * stride + vocabulary, 3), logits.Span.Slice(i * stride + vocabulary, 3), 0);
        }
    }
}

public sealed unsafe class EmbeddingTests
{
    [Fact]
    public void Positions_start_again_in_every_sequence_and_repeated_tokens_collect_their_gradients()
    {
        const int Width = 5;
        int[] tokens = [2, 0, 2, 1, 2], starts = [0, 2, 5];
        using Guarded table = new(Support.Normal(3 * Width, 1)), positions = new(Support.Normal(3 * Width, 2)), y = new(5 * Width);
        using Guarded dTable = new(3 * Width), dPositions = new(3 * Width);
        fixed (int* t = tokens, s = starts)
        {
            Embedding.Forward(Support.Pools[1], table, positions, t, s, 2, Width, y);
            Embedding.Backward(y, t, s, 2, Width, dTable, dPositions);
        }
        int[] index = [0, 1, 0, 1, 2];
        var (expectedTable, expectedPositions) = (new float[3 * Width], new float[3 * Width]);
        for (var i = 0; i < 5; i++)
            for (var j = 0; j < Width; j++)
            {
                Assert.Equal(table.Span[tokens[i] * Width + j] + positions.Span[index[i] * Width + j], y.Span[i * Width + j]);
                expectedTable[tokens[i] * Width + j] += y.Span[i * Width + j];
                expectedPositions[index[i] * Width + j] += y.Span[i * Width + j];
            }
        Assert.Equal(expectedTable, dTable.Array);
        Assert.Equal(expectedPositions, dPositions.Array);

        dTable.Span.Clear();
        fixed (int* t = tokens, s = starts)
        {
            Embedding.Backward(y, t, s, 2, Width, dTable, null);
            Assert.Equal(expectedTable, dTable.Array);
            Embedding.Forward(Support.Pools[1], table, null, t, s, 2, Width, y);
        }
        for (var i = 0; i < 5; i++) Assert.Equal(table.Array[(tokens[i] * Width)..((tokens[i] + 1) * Width)], y.Array[(i * Width)..((i + 1) * Width)]);
    }
}
