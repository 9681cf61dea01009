using System.Reflection;
using System.Runtime.ExceptionServices;
using System.Runtime.Loader;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>
/// The torch backend as a plug-in: libtorch has 500 MB, so the default build has no reference to it. It is looked for when it is asked for, in a
/// folder that holds Gpt35.Model.Torch.dll with everything it needs.
/// </summary>
internal static class TorchPlugin
{
    /// <summary>Names the folder, where it is none of the usual ones.</summary>
    internal const string FolderVariable = "GPT35_TORCH";
    private const string Project = "Gpt35.Model.Torch", Solution = "Gpt35.slnx", Shared = "Gpt35.Model.dll";
    private const string HowToBuild = $"'dotnet build src/{Project} -c Release'";

    private static readonly Lazy<Type> Model = new(() =>
        FindModel(Folders(AppContext.BaseDirectory, Environment.GetEnvironmentVariable(FolderVariable)), Path.Combine(AppContext.BaseDirectory, Shared)));

    /// <summary>A model of the torch backend over the weights of another.</summary>
    /// <exception cref="InvalidDataException">The backend was not built, or libtorch cannot be loaded.</exception>
    public static ITrainableModel Create(Decoder model, Dtype dtype, WorkerPool pool)
    {
        try
        {
            return (ITrainableModel)Activator.CreateInstance(Model.Value, model.Config, model.Parameters, dtype, pool)!;
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner)
        {
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }

    /// <summary>Where it is looked for: $GPT35_TORCH alone if set; else <c>torch</c> beside the program, and its own output in the clone that the program runs from.</summary>
    internal static IReadOnlyList<string> Folders(string program, string? named)
    {
        if (!string.IsNullOrEmpty(named)) return [named];
        var folders = new List<string> { Path.Combine(program, "torch") };
        for (var above = new DirectoryInfo(program); above is not null; above = above.Parent)
        {
            if (!File.Exists(Path.Combine(above.FullName, Solution))) continue;
            // bin/Release/net10.0 of another project, mostly.
            var built = Path.TrimEndingDirectorySeparator(program).Split(Path.DirectorySeparatorChar)[^2..];
            folders.Add(Path.Combine(above.FullName, "src", Project, "bin", built[0], built[1]));
            break;
        }
        return folders;
    }

    /// <summary>The model's type, from the first folder that has the plug-in.</summary>
    internal static Type FindModel(IReadOnlyList<string> folders, string sharedAssembly)
    {
        var file = folders.Select(folder => Path.GetFullPath(Path.Combine(folder, Project + ".dll"))).FirstOrDefault(File.Exists)
            ?? throw new InvalidDataException(
                $"The torch backend is not built: no {Project}.dll in {string.Join(" or ", folders)}. Build it once with {HowToBuild} (fetches libtorch, 130 MB, and takes 500 MB), or name its folder in {FolderVariable}; or take the cpu backend.");
        // It works on this program's models, so it has to know the very same ones.
        var known = Path.Combine(Path.GetDirectoryName(file)!, Shared);
        if (!File.Exists(known) || !File.ReadAllBytes(known).AsSpan().SequenceEqual(File.ReadAllBytes(sharedAssembly)))
            throw new InvalidDataException($"{file}: built from other sources than this program (another {Shared}). Build it again with {HowToBuild}.");
        return new Context(file).LoadFromAssemblyPath(file).GetType($"{Project}.TorchDecoder", throwOnError: true)!;
    }

    /// <summary>Loads what only the plug-in has from its folder; what the program has too, Gpt35.Model above all, is the program's.</summary>
    private sealed class Context(string file) : AssemblyLoadContext(Project)
    {
        private readonly AssemblyDependencyResolver resolver = new(file);

        protected override Assembly? Load(AssemblyName name) =>
            Default.Assemblies.Any(loaded => loaded.GetName().Name == name.Name) || resolver.ResolveAssemblyToPath(name) is not { } path ? null : LoadFromAssemblyPath(path);
    }
}
