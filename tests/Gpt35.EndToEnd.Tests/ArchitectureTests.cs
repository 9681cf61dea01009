using System.Xml.Linq;

namespace Gpt35.EndToEnd.Tests;

/// <summary>The direction of project references: low-level parts know nothing of high-level ones.</summary>
public class ArchitectureTests
{
    /// <summary>What each project may refer to. A project that is not listed, or a reference that is not, fails the test.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Tokenization"] = [],
        ["Kernels"] = [],
        ["Model"] = ["Tokenization", "Kernels"],
        ["Model.Torch"] = ["Model"],
        ["Inference"] = ["Model"],
        ["Data"] = ["Tokenization"],
        ["Training"] = ["Model", "Data", "Inference"],
        ["Evaluation"] = ["Inference", "Data"],
        ["Cli"] = ["Tokenization", "Kernels", "Model", "Inference", "Data", "Training", "Evaluation"],
    };

    [Fact]
    public void Every_project_refers_only_to_those_below_it()
    {
        var found = Projects("src");
        Assert.Equal(Allowed.Keys.Order(), found.Keys.Order());
        foreach (var (project, references) in found)
            Assert.Empty(references.Except(Allowed[project]).Select(reference => $"{project} -> {reference}"));
    }

    [Fact]
    public void There_is_no_cycle()
    {
        var references = Projects("src");
        var done = new HashSet<string>();
        while (done.Count < references.Count)
        {
            var next = references.Keys.Where(project => !done.Contains(project) && references[project].All(done.Contains)).ToList();
            Assert.True(next.Count > 0, $"These refer to each other in a circle: {string.Join(", ", references.Keys.Except(done))}");
            done.UnionWith(next);
        }
    }

    [Fact]
    public void Every_project_has_a_test_project_that_refers_to_it_alone()
    {
        var tests = Projects("tests");
        foreach (var project in Projects("src").Keys) Assert.Equal([project], tests[$"{project}.Tests"]);
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = XDocument.Load(Path.Combine(Repository.Root, "Gpt35.slnx")).Descendants("Project").Select(p => p.Attribute("Path")!.Value);
        var onDisk = ((string[])["src", "tests", "bench"]).SelectMany(ProjectFiles).Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'));
        Assert.Equal(onDisk.Order(), solution.Order());
    }

    [Fact]
    public void Package_versions_stand_in_one_place()
    {
        var withVersion = ((string[])["src", "tests", "bench"]).SelectMany(ProjectFiles)
            .Where(file => XDocument.Load(file).Descendants("PackageReference").Any(p => p.Attribute("Version") is not null));
        Assert.Empty(withVersion);
    }

    [Fact]
    public void Libtorch_is_the_torch_backends_alone_and_the_program_does_not_carry_it()
    {
        var withTorch = ((string[])["src", "bench"]).SelectMany(ProjectFiles)
            .Where(file => XDocument.Load(file).Descendants("PackageReference").Any(p => p.Attribute("Include")!.Value.Contains("torch", StringComparison.OrdinalIgnoreCase)));
        Assert.Equal(["Model.Torch"], withTorch.Select(ShortName));
        Assert.DoesNotContain("Model.Torch", Projects("src").SelectMany(project => project.Value));
    }

    /// <summary>Project references by short name: "Cli" -> ["Training", "Evaluation"].</summary>
    private static Dictionary<string, string[]> Projects(string folder) => ProjectFiles(folder).ToDictionary(
        ShortName,
        file => XDocument.Load(file).Descendants("ProjectReference").Select(r => ShortName(r.Attribute("Include")!.Value)).ToArray());

    private static IEnumerable<string> ProjectFiles(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.csproj", SearchOption.AllDirectories);

    private static string ShortName(string path) => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')).Replace("Gpt35.", "");
}
