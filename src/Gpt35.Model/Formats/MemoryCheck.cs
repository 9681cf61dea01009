using System.Globalization;
using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>Whether a model fits into the memory of this machine, asked before it is loaded.</summary>
internal static class MemoryCheck
{
    private const double Gibibyte = 1L << 30;

    /// <param name="path">The model, for the message.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="precision">How the weights will be held.</param>
    /// <param name="available">Bytes; null: what the machine has free now.</param>
    /// <exception cref="InvalidDataException">It does not fit; the message says what would.</exception>
    public static void RequireRoom(string path, ModelConfig config, WeightPrecision precision = WeightPrecision.F32, long? available = null)
    {
        var parameters = DecoderLayout.Parameters(config).Sum(parameter => (double)parameter.Count);
        var needed = precision == WeightPrecision.F32 ? parameters * sizeof(float) : ReducedWeights.LoadingBytes(config, precision);
        var free = available ?? Available();
        if (needed <= free) return;
        throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
            $"{path}: {parameters / 1e9:0.##} billion parameters need {needed / Gibibyte:0.0} GiB of memory as {precision}, and {free / Gibibyte:0.0} GiB are free. " +
            $"What fits here has up to {free / (needed / parameters) / 1e9:0.##} billion parameters. Take a smaller model, free memory, or use a larger machine; 'gpt35 convert' works on this one, it holds one tensor at a time."));
    }

    /// <summary>Bytes that can be had without swapping: what Linux counts as available, within the limit of a container.</summary>
    public static long Available()
    {
        var memory = GC.GetGCMemoryInfo();
        var free = Math.Max(0, memory.TotalAvailableMemoryBytes - Environment.WorkingSet);
        try
        {
            foreach (var line in File.ReadLines("/proc/meminfo"))
                if (line.StartsWith("MemAvailable:", StringComparison.Ordinal))
                    return Math.Min(free, 1024 * long.Parse(line.AsSpan()[13..].TrimEnd("kB").Trim(), CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No Linux; the runtime's own count has to do.
        }
        return free;
    }
}
