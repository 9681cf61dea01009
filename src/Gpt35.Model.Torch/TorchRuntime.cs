using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Security.Cryptography;
using TorchSharp;

namespace Gpt35.Model.Torch;

/// <summary>Loads libtorch and TorchSharp's shim once for the process, before anything else of TorchSharp is touched.</summary>
internal static class TorchRuntime
{
    private const string Shim = "LibTorchSharp", CppLibrary = "libstdc++.so.6";
    private static readonly Lock Loading = new();
    private static nint shim;

    /// <summary>Makes TorchSharp usable.</summary>
    /// <exception cref="InvalidDataException">The libraries are not there, cannot be loaded, or are not the ones that can be mended; the message says what to do.</exception>
    public static void Load()
    {
        lock (Loading)
        {
            if (shim != 0) return;
            var folder = FindFolder();
            // By path, and before the shim: a mended shim lies elsewhere and finds them because they are loaded.
            foreach (var name in (string[])["c10", "torch_cpu", "torch"]) Open(Path.Combine(folder, FileName(name)));
            var loaded = Open(NeedsMending() ? Mended(Path.Combine(folder, FileName(Shim))) : Path.Combine(folder, FileName(Shim)));
            AssemblyLoadContext.GetLoadContext(typeof(torch).Assembly)!.ResolvingUnmanagedDll += (_, name) => name == Shim ? loaded : 0;
            NativeLibrary.SetDllImportResolver(typeof(torch).Assembly, (name, _, _) => name == Shim ? loaded : 0);
            shim = loaded;
        }
    }

    /// <summary>Address of a function of the shim, for what TorchSharp itself does not offer.</summary>
    public static nint Export(string name) => NativeLibrary.GetExport(shim, name);

    /// <summary>Where a mended shim is kept: $XDG_CACHE_HOME/gpt35, else ~/.cache/gpt35.</summary>
    internal static string CacheFolder =>
        Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathRooted(cache)
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache"), "gpt35");

    /// <summary>Writes a mended copy of the shim below <paramref name="cache"/>, unless it is there already, and gives its path.</summary>
    internal static string Mend(string original, string cache)
    {
        var bytes = File.ReadAllBytes(original);
        var mended = LoaderMend.Apply(bytes, original);
        var folder = Path.Combine(cache, $"torchsharp-{Convert.ToHexStringLower(SHA256.HashData(bytes))[..16]}");
        var path = Path.Combine(folder, Path.GetFileName(original));
        // What is loaded as code is compared, not trusted for its name.
        if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(mended)) return path;
        Directory.CreateDirectory(folder);
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, mended);
        File.Move(temporary, path, overwrite: true);
        return path;
    }

    private static string Mended(string original)
    {
        try
        {
            return Mend(original, CacheFolder);
        }
        catch (Exception e) when (e is UnauthorizedAccessException || (e is IOException && e is not InvalidDataException))
        {
            throw new IOException($"{CacheFolder}: a copy of {Path.GetFileName(original)} that this system can load could not be written there: {e.Message} Set XDG_CACHE_HOME to a folder that can be written.", e);
        }
    }

    /// <summary>Whether the system's C++ library is older than the one the shim was built with.</summary>
    private static bool NeedsMending() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
        && NativeLibrary.TryLoad(CppLibrary, out var library) && !NativeLibrary.TryGetExport(library, LoaderMend.MissingSymbol, out _);

    /// <summary>The folder with libtorch and the shim: beside TorchSharp.dll, or below it as a build lays it out.</summary>
    private static string FindFolder()
    {
        var beside = Path.GetDirectoryName(typeof(torch).Assembly.Location)!;
        var below = Path.Combine(beside, "runtimes", RuntimeInformation.RuntimeIdentifier, "native");
        var portable = Path.Combine(beside, "runtimes", PortableIdentifier(), "native");
        return Array.Find([below, portable, beside], folder => File.Exists(Path.Combine(folder, FileName("torch_cpu"))) && File.Exists(Path.Combine(folder, FileName(Shim))))
            ?? throw new InvalidDataException($"{portable}: no {FileName("torch_cpu")} and {FileName(Shim)}. There is no libtorch for this kind of machine, or it was left out of the build; take the cpu backend.");
    }

    private static string PortableIdentifier() =>
        $"{(OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    private static nint Open(string path)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new InvalidDataException($"{path}: could not be loaded: {e.Message} Take the cpu backend, or mend what the system's loader complains about.", e);
        }
    }
}
