using System.CommandLine;
using System.Globalization;
using Gpt35.Data;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 data mix</c>: rows of several files in fixed proportions, in one file.</summary>
internal static class DataMixVerb
{
    public static Command Create(Session session)
    {
        var sources = new Argument<string[]>("source") { Description = "Data files, each with its weight as FILE:3 (1 unless given); or one YAML file that lists them.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "File to write: .jsonl or .jsonl.gz.", Required = true };
        var seed = new Option<ulong?>("--seed") { Description = "Same files and seed, same rows in the same order." }.AtLeast(0UL);
        var rows = new Option<int?>("--rows") { Description = "Rows to write; files that run out are read again. Without it, every file is read once." }.AtLeast(1);
        var buffer = new Option<int?>("--shuffle-buffer") { Description = $"Rows held of each file to shuffle; 0 keeps its order. Default: {Mixture.DefaultShuffleBuffer}." }.AtLeast(0);
        var command = new Command("mix", "Mix data files in fixed proportions into one file.") { sources, output, seed, rows, buffer };
        command.SetAction(parsed =>
        {
            var path = OutputFile.RequireNewRows(parsed.GetRequiredValue(output));
            var recipe = RecipeOf(parsed.GetRequiredValue(sources));
            recipe = recipe with
            {
                Seed = parsed.GetValue(seed) ?? recipe.Seed,
                Rows = parsed.GetValue(rows) ?? recipe.Rows,
                ShuffleBuffer = parsed.GetValue(buffer) ?? recipe.ShuffleBuffer,
            };
            var kind = KindOf(recipe);
            var warned = new HashSet<string>();                          // a file that is read again warns once
            var mixture = recipe.Open(source => RecordFile.Read(source, kind, line => { if (warned.Add(line)) session.Error.WriteLine(line); }));
            DataOutput.Write(path, session, () => RecordFile.Write(path, kind, DataOutput.Stoppable(recipe.Read(mixture), session)));
            foreach (var line in Report(recipe, mixture, kind, path)) session.Say(parsed, line);
            return ExitCode.Done;
        });
        return command;
    }

    private static MixRecipe RecipeOf(string[] sources)
    {
        if (sources.Any(MixRecipe.IsNamedBy))
            return sources.Length == 1
                ? RecipeFile.Load<MixRecipe>(sources[0])
                : throw new UsageException($"Found {sources.Length} sources and {sources.First(MixRecipe.IsNamedBy)} among them; expected one YAML file that lists all, or data files only.");
        return new MixRecipe { Sources = [.. sources.Select(SourceOf)] };
    }

    /// <summary>FILE or FILE:weight; what follows the last colon is a weight where it is a number.</summary>
    private static MixSourceOptions SourceOf(string source)
    {
        var colon = source.LastIndexOf(':');
        if (colon < 0 || File.Exists(source) || !double.TryParse(source.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var weight)) return new MixSourceOptions { File = source };
        return weight > 0 && double.IsFinite(weight)
            ? new MixSourceOptions { File = source[..colon], Weight = weight }
            : throw new UsageException($"The weight of {source[..colon]} is {source[(colon + 1)..]}; expected a number above 0. Leave the file out if it shall not be used.");
    }

    /// <summary>What all files hold.</summary>
    private static RecordKind KindOf(MixRecipe recipe)
    {
        var kinds = recipe.Sources.Select(source => RecordReader.Recognize(source.File)).ToList();
        var other = kinds.FindIndex(kind => kind != kinds[0]);
        return other < 0 ? kinds[0] : throw new InvalidDataException(
            $"{recipe.Sources[0].File} holds {DataOutput.NameOf(kinds[0])} and {recipe.Sources[other].File} {DataOutput.NameOf(kinds[other])}; expected files of one kind. Convert one of them with 'gpt35 data convert'.");
    }

    private static IEnumerable<string> Report(MixRecipe recipe, Mixture<DataRecord> mixture, RecordKind kind, string path)
    {
        var all = mixture.Given.Sum();
        yield return string.Create(CultureInfo.InvariantCulture, $"{all:N0} rows of {DataOutput.NameOf(kind)} in {path}");
        if (recipe.Rows > all) yield return string.Create(CultureInfo.InvariantCulture, $"That is less than the {recipe.Rows:N0} asked for: every file has had its epochs.");
        foreach (var (i, source) in recipe.Sources.Index())
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{mixture.Given[i],12:N0}  {100.0 * mixture.Given[i] / Math.Max(1, all),5:F1} %  {source.File}{(mixture.Sizes[i] is { } size and > 0 ? string.Create(CultureInfo.InvariantCulture, $" ({(double)mixture.Given[i] / size:F2} epochs)") : " (less than one epoch)")}");
    }
}

/// <summary>What the verbs that write data files share.</summary>
internal static class DataOutput
{
    /// <summary>The records until the user stops.</summary>
    public static IEnumerable<DataRecord> Stoppable(IEnumerable<DataRecord> records, Session session)
    {
        foreach (var record in records)
        {
            session.Cancel.ThrowIfCancellationRequested();
            yield return record;
        }
        session.Cancel.ThrowIfCancellationRequested();
    }

    /// <exception cref="StoppedException">The user stopped it; there is no file then.</exception>
    public static void Write(string path, Session session, Action write)
    {
        try
        {
            session.Cancel.ThrowIfCancellationRequested();
            write();
        }
        catch (OperationCanceledException)
        {
            throw new StoppedException($"Stopped; {path} was not written. The same command begins anew.");
        }
    }

    public static string NameOf(RecordKind kind) => kind == RecordKind.Unpaired ? "ratings" : kind.ToString().ToLowerInvariant();
}
