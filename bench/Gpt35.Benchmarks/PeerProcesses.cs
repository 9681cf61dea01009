using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>Peers that are no .NET libraries: npm packages in bench/peers, installed on first use where npm is there.</summary>
internal static class PeerProcesses
{
    /// <summary>What a peer's script prints.</summary>
    internal sealed record Result(double Seconds, double Megabytes, int Tokens);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Result of a script in bench/peers, or in a folder there with packages of its own; null, with the reason on standard error, where it cannot run.</summary>
    public static T? RunNode<T>(string script, params string[] arguments) where T : class
    {
        if (FindFolder() is not { } peers) return Skip<T>(script, "the folder bench/peers was not found above the program");
        var folder = Path.Combine(peers, Path.GetDirectoryName(script)!);
        var install = File.Exists(Path.Combine(folder, "package-lock.json")) ? "ci" : "install";
        if (!Directory.Exists(Path.Combine(folder, "node_modules")) && Start(folder, "npm", [install, "--no-audit", "--no-fund"], out var why) is null)
            return Skip<T>(script, $"its packages could not be installed: {why}");
        return Start(folder, "node", [Path.GetFileName(script), .. arguments], out why) is { } output
            ? JsonSerializer.Deserialize<T>(output.Trim().Split('\n')[^1], Json)
            : Skip<T>(script, why);
    }

    /// <summary>This program again, with another verb, so that its memory is its own.</summary>
    public static T RunSelf<T>(params string[] arguments) =>
        Start(".", "dotnet", [typeof(PeerProcesses).Assembly.Location, .. arguments], out var why) is { } output
            ? JsonSerializer.Deserialize<T>(output, Json)!
            : throw new InvalidOperationException(why);

    public static IEnumerable<Row> Tiktoken(string text)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        var file = Path.Combine(Path.GetTempPath(), $"gpt35-bench-{Environment.ProcessId}-text.txt");
        File.WriteAllText(file, text);
        try
        {
            var ours = Measure.Seconds(() =>
            {
                var tokenizer = new Tokenizer(Tokenizer.Load("cl100k_base").Vocabulary);
                return () => tokenizer.Encode(text);
            })[0];
            if (RunNode<Result>("tiktoken-encode.mjs", "cl100k_base", file, "3") is { } peer)
                yield return Row.MoreIsBetter("encode cl100k_base, one thread", bytes / ours / 1e6, bytes / peer.Seconds / 1e6, "tiktoken (npm, wasm)", "MB/s");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static T? Skip<T>(string script, string why) where T : class
    {
        Console.Error.WriteLine($"Left out {script}: {why}.");
        return null;
    }

    private static string? FindFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "bench", "peers");
            if (File.Exists(Path.Combine(path, "package.json"))) return path;
        }
        return null;
    }

    /// <summary>Path of a program that the user has; null, with the reason on standard error, where there is none.</summary>
    public static string? Find(string path, string option)
    {
        if (File.Exists(path)) return Path.GetFullPath(path);
        Console.Error.WriteLine($"Left out {option}: there is no program {path}.");
        return null;
    }

    /// <summary>What a program prints on standard output; null, with the reason on standard error, where it fails.</summary>
    public static string? Run(string program, params IEnumerable<string> arguments) =>
        Start(".", program, arguments, out var why) ?? Skip<string>(Path.GetFileName(program), why);

    private static string? Start(string folder, string program, IEnumerable<string> arguments, out string why)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            why = process.ExitCode == 0 ? "" : $"{program} ended with {process.ExitCode}: {error.Result.Trim()}";
            return process.ExitCode == 0 ? output : null;
        }
        catch (Win32Exception)
        {
            why = $"there is no {program} on the PATH";
            return null;
        }
    }
}
