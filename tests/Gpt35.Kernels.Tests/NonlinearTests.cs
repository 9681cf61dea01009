namespace Gpt35.Kernels.Tests;

public sealed unsafe class NonlinearTests
{
    private static readonly (int Rows, int Width)[] Shapes = [(1, 1), (1, 3), (5, 15), (2, 16), (3, 17), (20, 1000), (3, 9001)];

    public static TheoryData<SimdTier, Nonlinearity> Cases
    {
        get
        {
            var cases = new TheoryData<SimdTier, Nonlinearity>();
            foreach (var tier in Enum.GetValues<SimdTier>().Where(tier => tier <= Simd.Best))
                foreach (var f in Enum.GetValues<Nonlinearity>()) cases.Add(tier, f);
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Values_and_slopes_agree_with_the_definition(SimdTier tier, Nonlinearity f)
    {
        var reference = Reference(f);
        foreach (var (rows, width) in Shapes)
        {
            var n = rows * width;
            using Guarded x = new(Support.Normal(n, 1, 3)), dy = new(Support.Normal(n, 2)), y = new(n), dx = new(n), again = new(n);
            Support.InTier(tier, () =>
            {
                new Epilogue(f, new Matrix(y, rows, width)).Run(Support.Pools[2], new Matrix(x, rows, width));
                Nonlinear.Backward(Support.Pools[1], f, x, dy, n, dx, again);
            });
            var xs = Support.Widen(x.Span);
            Support.Close([.. xs.Select(reference)], y.Span, 2e-6);
            Assert.Equal(y.Array, again.Array);             // to the bit: the backward pass of a model computes it instead of keeping it
            Support.Close([.. xs.Select((v, i) => dy.Span[i] * (reference(v + 1e-5) - reference(v - 1e-5)) / 2e-5)], dx.Span, 1e-5);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_gated_form_multiplies_the_two_halves_of_a_row(SimdTier tier, Nonlinearity f)
    {
        var reference = Reference(f);
        foreach (var (rows, width) in new[] { (1, 1), (3, 5), (2, 16), (7, 33), (3, 9000) })
        {
            using Guarded x = new(Support.Normal(2 * rows * width, 1, 2)), dy = new(Support.Normal(rows * width, 2)), y = new(rows * width), dx = new(2 * rows * width), again = new(rows * width);
            Support.InTier(tier, () =>
            {
                Nonlinear.ForwardGated(Support.Pools[2], f, x, rows, width, y);
                Nonlinear.BackwardGated(Support.Pools[1], f, x, dy, rows, width, dx, again);
            });
            double[] xs = Support.Widen(x.Span), expected = new double[rows * width], gradient = new double[2 * rows * width];
            for (var i = 0; i < rows; i++)
                for (var j = 0; j < width; j++)
                {
                    int at = i * width + j, gate = 2 * i * width + j, up = gate + width;
                    expected[at] = reference(xs[gate]) * xs[up];
                    gradient[gate] = dy.Span[at] * xs[up] * (reference(xs[gate] + 1e-5) - reference(xs[gate] - 1e-5)) / 2e-5;
                    gradient[up] = dy.Span[at] * reference(xs[gate]);
                }
            Support.Close(expected, y.Span, 4e-6);
            Assert.Equal(y.Array, again.Array);
            Support.Close(gradient, dx.Span, 2e-5);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Far_out_it_is_zero_or_the_identity_and_NaN_stays_NaN(SimdTier tier, Nonlinearity f)
    {
        using Guarded x = new([-1e10f, -100, -60, 0, 20, 100, 1e18f, float.NaN]), dy = new([1, 1, 1, 1, 1, 1, 1, 1]), y = new(8), dx = new(8), again = new(8);
        Support.InTier(tier, () =>
        {
            new Epilogue(f, new Matrix(y, 1, 8)).Run(Support.Pools[0], new Matrix(x, 1, 8));
            Nonlinear.Backward(Support.Pools[0], f, x, dy, 8, dx, again);
        });
        Assert.Equal([0, 0, 0, 0, 20, 100, 1e18f, float.NaN], y.Array.Select(v => Math.Abs(v) < 1e-23 ? 0 : v));
        Assert.Equal([0, 0, 0, 0.5f, 1, 1, 1, float.NaN], dx.Array.Select(v => Math.Abs(v) < 1e-23 ? 0 : Math.Abs(v - 1) < 1e-6 ? 1 : v));
    }

    [Theory, InlineData(0.5, 0.34571, 0.34573, 0.31123), InlineData(1, 0.84119, 0.84134, 0.73106), InlineData(-2, -0.04540, -0.04550, -0.23841)]
    public void The_definitions_give_the_published_values(double x, double tanh, double erf, double silu)
    {
        // x·Φ(x) with Φ(0.5) = 0.69146, Φ(1) = 0.84134, Φ(−2) = 0.02275 from any table of the normal distribution.
        Assert.Equal(tanh, GeluTanh.Reference(x), 1e-5);
        Assert.Equal(erf, GeluErf.Reference(x), 1e-5);
        Assert.Equal(silu, Silu.Reference(x), 1e-5);
    }

    [Fact]
    public void The_exact_gelu_is_right_to_rounding_in_its_tail_too()
    {
        const int N = 12_000;
        using Guarded x = new([.. Enumerable.Range(0, N).Select(i => -12 + i / 1000f)]), y = new(N);
        new Epilogue(Nonlinearity.GeluErf, new Matrix(y, 1, N)).Run(Support.Pools[0], new Matrix(x, 1, N));
        for (var i = 0; i < N; i++)
            Assert.InRange(y.Span[i] / GeluErf.Reference(x.Span[i]), 1 - 8e-7, 1 + 8e-7);
    }

    private static Func<double, double> Reference(Nonlinearity f) => f switch
    {
        Nonlinearity.GeluTanh => GeluTanh.Reference,
        Nonlinearity.GeluErf => GeluErf.Reference,
        _ => Silu.Reference,
    };
}
