namespace Gpt35.Training.Tests;

/// <summary>Central differences of a loss in double precision; the inputs are floats, so the step is a power of two that they hold exactly.</summary>
internal static class Differences
{
    private const float Step = 1f / 1024;

    /// <summary>∂loss/∂x, (n,).</summary>
    public static double[] Of(float[] x, Func<float[], double> loss)
    {
        var slopes = new double[x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            var up = (float[])x.Clone();
            var down = (float[])x.Clone();
            up[i] += Step;
            down[i] -= Step;
            slopes[i] = (loss(up) - loss(down)) / ((double)up[i] - down[i]);
        }
        return slopes;
    }

    public static void AssertClose(double[] expected, float[] actual, double tolerance = 1e-5)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"entry {i}: gradient {actual[i]}, difference quotient {expected[i]}");
    }
}
