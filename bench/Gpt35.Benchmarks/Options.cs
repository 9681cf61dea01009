namespace Gpt35.Benchmarks;

/// <summary>How a benchmark is run.</summary>
internal sealed record Options
{
    public bool Json { get; init; }
    public bool Quick { get; init; }
    public bool Profile { get; init; }
    public string? TextFolder { get; init; }

    /// <summary>Of generation: only the tasks whose name contains this.</summary>
    public string? Only { get; init; }

    /// <summary>A folder with ggml's <c>gpt-2-backend</c> and <c>gpt-2-batched</c>.</summary>
    public string? GgmlGpt2 { get; init; }

    /// <summary>llama.cpp's <c>llama-batched-bench</c>.</summary>
    public string? LlamaBatchedBench { get; init; }

    /// <summary>llm.c's <c>train_gpt2</c>, of the CPU.</summary>
    public string? Llmc { get; init; }

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
                "--only" when i + 1 < args.Length => options with { Only = args[++i] },
                "--ggml-gpt2" when i + 1 < args.Length => options with { GgmlGpt2 = args[++i] },
                "--llama-batched-bench" when i + 1 < args.Length => options with { LlamaBatchedBench = args[++i] },
                "--llmc" when i + 1 < args.Length => options with { Llmc = args[++i] },
                var unknown => throw new ArgumentException($"Found '{unknown}'; expected --json, --quick, --profile, --text FOLDER, --only TEXT, --ggml-gpt2 FOLDER, --llama-batched-bench FILE or --llmc FILE."),
            };
        }
        return options;
    }
}
