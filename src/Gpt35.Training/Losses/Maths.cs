namespace Gpt35.Training;

/// <summary>Scalar functions of the losses, written so that no input overflows.</summary>
internal static class Maths
{
    /// <summary>log(1 + eˣ); −log σ(x) is Softplus(−x).</summary>
    public static double Softplus(double x) => Math.Max(x, 0) + double.LogP1(Math.Exp(-Math.Abs(x)));

    /// <summary>σ(x) = 1 / (1 + e⁻ˣ).</summary>
    public static double Sigmoid(double x)
    {
        var small = Math.Exp(-Math.Abs(x));
        return x >= 0 ? 1 / (1 + small) : small / (1 + small);
    }

    public static double Mean(ReadOnlySpan<float> x)
    {
        double sum = 0;
        foreach (var value in x) sum += value;
        return sum / Math.Max(x.Length, 1);
    }

    /// <summary>Σ (x − mean)² / n, the biased variance.</summary>
    public static double Variance(ReadOnlySpan<float> x)
    {
        var mean = Mean(x);
        double sum = 0;
        foreach (var value in x) sum += (value - mean) * (value - mean);
        return sum / Math.Max(x.Length, 1);
    }

    /// <summary>Guards the losses: spans that describe the same tokens must have the same length.</summary>
    public static void SameLength(int expected, int actual, string name)
    {
        if (actual != expected) throw new ArgumentException($"{name} has {actual} entries where {expected} were expected.", name);
    }
}
