using System.Diagnostics;

namespace Gpt35.EndToEnd.Tests;

/// <summary>The Slurm of this machine, where there is one that starts two processes here at once.</summary>
internal static class Slurm
{
    // Here and now: the tests' files are in this machine's memory, and a queue may be long.
    private static readonly string[] Options = ["srun", "--ntasks=2", "--nodes=1", $"--nodelist={Environment.MachineName}", "--immediate=5", "--mpi=pmix"];

    /// <summary>Why nothing can be started by it; null where something can.</summary>
    public static string? Fault { get; } = Probe();

    /// <summary>Starts the program as two processes.</summary>
    public static Process Launch(IEnumerable<string> arguments) => TinyStages.Start(arguments, Options);

    private static string? Probe()
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "srun")))) return "there is no srun";
        // Without a controller srun tries again for minutes; scontrol says at once that there is none.
        if (Run("scontrol", "ping") is { } silent) return silent;
        return Run(Options[0], [.. Options[1..], "true"]);
    }

    /// <summary>What went wrong, or null.</summary>
    private static string? Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : $"{program}: {(error.Result + output).Trim().Split('\n')[0]}";
    }
}
