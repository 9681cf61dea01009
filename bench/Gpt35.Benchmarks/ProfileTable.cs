using System.Diagnostics;
using System.Globalization;
using Gpt35.Kernels;

namespace Gpt35.Benchmarks;

/// <summary>Prints where the time of steps went, by kernel.</summary>
internal static class ProfileTable
{
    /// <param name="profile">Of all steps.</param>
    /// <param name="steps">How many.</param>
    /// <param name="step">Milliseconds of one.</param>
    /// <param name="threads">Of the pool.</param>
    public static void Print(PoolProfile profile, int steps, double step, int threads)
    {
        double Milliseconds(long ticks) => ticks * 1e3 / Stopwatch.Frequency / steps;
        Console.WriteLine($"{"ms a step, of " + steps + " steps",-44}{"launches",9}{"in all",9}{"share",8}{"launched",10}{"idle",8}{"alone after",13}");
        foreach (var ((phase, job), entry) in profile.Entries.OrderByDescending(pair => pair.Value.Wall + pair.Value.After))
        {
            double wall = Milliseconds(entry.Wall), after = Milliseconds(entry.After);
            var idle = wall * threads - Milliseconds(entry.Busy);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(phase.Length == 0 ? "" : phase + ", ") + NameOf(job),-44}{(double)entry.Launches / steps,9:F0}{wall + after,9:F3}{(wall + after) / step,8:P1}{wall,10:F3}{idle,8:F3}{after,13:F3}"));
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
}
