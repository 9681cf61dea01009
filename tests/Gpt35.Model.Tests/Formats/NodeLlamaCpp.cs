using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Gpt35.Model.Tests;

/// <summary>llama.cpp, as the npm package node-llama-cpp brings it, in a cache folder of the user; installed on first use.</summary>
internal static class NodeLlamaCpp
{
    /// <summary>What llama.cpp makes of a model.</summary>
    internal sealed record Result(int[] Tokens, int[] Ids, int? Begin, int? End, string? Template);

    internal sealed record Job(string Model, int[] Prompt, int Count, string Text);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private static readonly TimeSpan InstallLimit = TimeSpan.FromMinutes(2), RunLimit = TimeSpan.FromMinutes(2);
    private const string TooSlow = "it took too long";
    private static readonly Lock Installing = new();
    private static string? whyNot;                                          // one attempt for each run of the tests
    private static readonly string Source = Path.Combine(AppContext.BaseDirectory, "Formats", "llama-cpp");

    /// <summary>Folder with the package in it; where it cannot be had, the calling test is skipped with the reason.</summary>
    public static string Require()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) Assert.Skip("llama.cpp is fetched prebuilt for linux-x64 only.");
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } set ? set : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        var folder = Path.Combine(cache, "gpt35-tests", "node-llama-cpp-3.22.1");
        lock (Installing)
        {
            if (!Directory.Exists(folder) && whyNot is null) whyNot = Install(folder);
        }
        if (!Directory.Exists(folder)) Assert.Skip($"node-llama-cpp could not be installed: {whyNot}");
        File.Copy(Path.Combine(Source, "greedy.mjs"), Path.Combine(folder, "greedy.mjs"), overwrite: true);
        return folder;
    }

    public static Result[] Run(params Job[] jobs)
    {
        var folder = Require();
        var file = Path.Combine(Path.GetTempPath(), $"gpt35-llama-{Environment.ProcessId}-{Environment.CurrentManagedThreadId}.json");
        File.WriteAllText(file, JsonSerializer.Serialize(jobs, Json));
        try
        {
            var (output, why) = Start(folder, RunLimit, "node", "greedy.mjs", file);
            // On a machine that is busy with other things llama.cpp can take minutes for what takes seconds; that says nothing about our files.
            if (why == TooSlow) Assert.Skip($"llama.cpp took longer than {RunLimit.TotalSeconds} s.");
            Assert.True(output is not null, why);
            return JsonSerializer.Deserialize<Result[]>(output.Trim().Split('\n')[^1], Json)!;
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Under the final name only when it is whole; another process may have been faster. Returns why it did not work.</summary>
    private static string? Install(string folder)
    {
        var temporary = $"{folder}.{Environment.ProcessId}.tmp";
        Directory.CreateDirectory(temporary);
        try
        {
            File.Copy(Path.Combine(Source, "package.json"), Path.Combine(temporary, "package.json"));
            // The optional packages are the builds for other systems and graphics cards, 700 MB.
            var (output, why) = Start(temporary, InstallLimit, "npm", "install", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund");
            if (output is not null && !Directory.Exists(folder)) Directory.Move(temporary, folder);
            return why;
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            return null;
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    private static (string? Output, string Why) Start(string folder, TimeSpan limit, string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            if (!process.WaitForExit(limit))
            {
                process.Kill(entireProcessTree: true);
                return (null, TooSlow);
            }
            return process.ExitCode == 0 ? (output.Result, "") : (null, $"{program} ended with {process.ExitCode}: {error.Result.Trim()}");
        }
        catch (Win32Exception)
        {
            return (null, $"there is no {program} on the PATH");
        }
    }
}
