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

        double Milliseconds(long ticks) => ticks * 1e3 / Stopwatch.Frequency / steps;
        var launches = profile.Entries.Values.Sum(entry => entry.Launches) / steps;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{shape}: {step:F2} ms a step, {shape.Tokens * 1e3 / step:N0} tokens/s, {launches} launches, {faults} page faults a step"));
        Console.WriteLine($"{"ms a step, of " + steps + " steps",-44}{"launches",9}{"in all",9}{"share",8}{"launched",10}{"idle",8}{"alone after",13}");
        foreach (var ((phase, job), entry) in profile.Entries.OrderByDescending(pair => pair.Value.Wall + pair.Value.After))
        {
            double wall = Milliseconds(entry.Wall), after = Milliseconds(entry.After);
            var idle = wall * trainer.Threads - Milliseconds(entry.Busy);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{phase + ", " + NameOf(job),-44}{(double)entry.Launches / steps,9:F0}{wall + after,9:F3}{(wall + after) / step,8:P1}{wall,10:F3}{idle,8:F3}{after,13:F3}"));
        }
        Console.WriteLine();
    }

    /// <summary>Kernel and job, and of a generic job its first argument; without the lanes.</summary>
    private static string NameOf(Type job)
    {
        if (job == typeof(PoolProfile)) return "before the first";
        if (job.Name.StartsWith("InLanes", StringComparison.Ordinal)) job = job.GetGenericArguments()[0];
        var name = $"{job.DeclaringType?.Name}.{job.Name}".Split('`')[0];
        var lanes = job.GetGenericArguments().FirstOrDefault(argument => !argument.Name.StartsWith("Lanes", StringComparison.Ordinal) && !argument.Name.StartsWith("Vector", StringComparison.Ordinal));
        return lanes is null ? name : $"{name} {lanes.Name}";
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
