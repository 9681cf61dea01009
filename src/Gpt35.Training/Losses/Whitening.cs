namespace Gpt35.Training;

/// <summary>Advantages with mean 0 and variance 1, so that the step size does not depend on the scale of the rewards.</summary>
public static class Whitening
{
    /// <summary>x ← (x − mean) / sqrt(var + 1e-8), with the biased variance, in place (lm-human-preferences, <c>whiten</c>).</summary>
    /// <param name="x">Values of every token of a rollout batch, (n,).</param>
    public static void Apply(Span<float> x)
    {
        var mean = Maths.Mean(x);
        var scale = 1 / Math.Sqrt(Maths.Variance(x) + 1e-8);
        foreach (ref var value in x) value = (float)((value - mean) * scale);
    }
}
