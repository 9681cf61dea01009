namespace Gpt35.Benchmarks;

/// <summary>How a benchmark is run.</summary>
internal sealed record Options
{
    public bool Json { get; init; }
    public bool Quick { get; init; }
    public bool Profile { get; init; }
    public string? TextFolder { get; init; }

    public static Options Parse(ReadOnlySpan<string> args)
    {
        var options = new Options();
        for (var i = 0; i < args.Length; i++)
        {
            options = args[i] switch
            {
                "--json" => options with { Json = true },
                "--quick" => options with { Quick = true },
                "--profile" => options with { Profile = true },
                "--text" when i + 1 < args.Length => options with { TextFolder = args[++i] },
                var unknown => throw new ArgumentException($"Found '{unknown}'; expected --json, --quick, --profile or --text FOLDER."),
            };
        }
        return options;
    }
}
