using System.Diagnostics;
using System.Globalization;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Benchmarks;

/// <summary>Where a training step's time goes, by kernel: `train --profile`. Measuring it costs a percent or two.</summary>
internal static class TrainingProfile
{
    private const int WarmUp = 2;

    /// <summary>Prints a table for each shape: milliseconds a step.</summary>
    /// <param name="shapes">Shapes.</param>
    /// <param name="seconds">How long to measure each.</param>
    public static int Run(IEnumerable<TrainingShape> shapes, double seconds)
    {
        foreach (var shape in shapes) Print(shape, seconds);
        return 0;
    }

    private static void Print(TrainingShape shape, double seconds)
    {
        using var trainer = new TrainingSteps.OurTrainer(shape, Dtype.Fp32);
        for (var i = 0; i < WarmUp; i++) trainer.Step();
        var profile = new PoolProfile();
        trainer.Observe(profile);
        var (steps, start, faults) = (0, Stopwatch.GetTimestamp(), PageFaults());
        do
        {
            trainer.Step();
            steps++;
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        var step = Stopwatch.GetElapsedTime(start).TotalMilliseconds / steps;
        faults = (PageFaults() - faults) / steps;

        var launches = profile.Entries.Values.Sum(entry => entry.Launches) / steps;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{shape}: {step:F2} ms a step, {shape.Tokens * 1e3 / step:N0} tokens/s, {launches} launches, {faults} page faults a step"));
        ProfileTable.Print(profile, steps, step, trainer.Threads);
    }

    /// <summary>Minor page faults of this process so far; 0 where the system does not say.</summary>
    private static long PageFaults()
    {
        const int Field = 9;
        if (!File.Exists("/proc/self/stat")) return 0;
        var text = File.ReadAllText("/proc/self/stat");
        // The second field is a name that may contain anything but ends with the last parenthesis.
        return long.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[Field - 2], CultureInfo.InvariantCulture);
    }
}
