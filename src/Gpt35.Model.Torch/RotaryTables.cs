using static TorchSharp.torch;

namespace Gpt35.Model.Torch;

internal static class RotaryTables
{
    public static (Tensor Cosines, Tensor Sines) Build(ModelConfig config, Device device)
    {
        int half = config.HeadDim / 2, positions = config.MaxPositionEmbeddings;
        var frequencies = Frequencies(config, out var scale);
        float[] cosines = new float[positions * half], sines = new float[positions * half];
        for (var p = 0; p < positions; p++)
            for (var i = 0; i < half; i++)
            {
                var (sin, cos) = Math.SinCos(p * frequencies[i]);
                (cosines[p * half + i], sines[p * half + i]) = ((float)(scale * cos), (float)(scale * sin));
            }
        Tensor Table(float[] numbers) => tensor(numbers, [positions, half], device: device).DetachFromDisposeScope();
        return (Table(cosines), Table(sines));
    }

    private static double[] Frequencies(ModelConfig config, out double scale)
    {
        int k = config.HeadDim;
        var theta = config.RopeTheta;
        scale = 1;
        var plain = Enumerable.Range(0, k / 2).Select(i => Math.Pow(theta, -2.0 * i / k)).ToArray();
        if (config.RopeScaling is not { } s) return plain;
        var original = s.OriginalMaxPositionEmbeddings > 0 ? s.OriginalMaxPositionEmbeddings : config.MaxPositionEmbeddings / s.Factor;
        switch (s.RopeType)
        {
            case RopeType.Linear: return [.. plain.Select(w => w / s.Factor)];
            case RopeType.Ntk: return [.. plain.Select((w, i) => k == 2 ? w : Math.Pow(theta * Math.Pow(s.Factor, k / (k - 2.0)), -2.0 * i / k))];
            case RopeType.Llama3:
                return [.. plain.Select(w =>
                {
                    var turns = original * w / (2 * Math.PI);
                    var keep = Math.Clamp((turns - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor), 0, 1);
                    return w * keep + w / s.Factor * (1 - keep);
                })];
            default:
                double Pair(double turns) => k * Math.Log(original / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
                double low = Math.Max(Math.Floor(Pair(s.BetaFast)), 0), high = Math.Min(Math.Ceiling(Pair(s.BetaSlow)), k - 1);
                if (low == high) high += 0.001;
                scale = s.AttentionFactor ?? 0.1 * Math.Log(s.Factor) + 1;
                return [.. plain.Select((w, i) =>
                {
                    var stretch = Math.Clamp((i - low) / (high - low), 0, 1);
                    return w / s.Factor * stretch + w * (1 - stretch);
                })];
        }
    }
}
