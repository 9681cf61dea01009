using Gpt35.Benchmarks;

// dotnet run -c Release --project bench/Gpt35.Benchmarks -- tokenize [--json] [--quick] [--text FOLDER]
//   --json   one JSON object per row instead of a table
//   --quick  without the peers that npm installs, and without training
//   --text   folder with the text to encode; otherwise shared/data/text beside the repository or above it, or made-up text
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- check-tiktoken
//   ids of 100,000 random strings, three vocabularies, against tiktoken itself
switch (args)
{
    case ["tokenize", .. var options]:
        return TokenizeBenchmarks.Run(Options.Parse(options));
    case ["check-tiktoken"]:
        return TiktokenCheck.Run();
    case ["train-tokenizer", var file]:
        TrainBenchmark.TrainOurs(file);
        return 0;
    default:
        Console.Error.WriteLine("Found no benchmark of that name. Expected: tokenize [--json] [--quick] [--text FOLDER], or check-tiktoken.");
        return 2;
}
