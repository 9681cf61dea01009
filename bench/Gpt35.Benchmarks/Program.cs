using Gpt35.Benchmarks;
using Gpt35.Model;

// dotnet run -c Release --project bench/Gpt35.Benchmarks -- tokenize [--json] [--quick] [--text FOLDER]
//   --json   one JSON object per row instead of a table
//   --quick  without the peers that npm installs, and without training
//   --text   folder with the text to encode; otherwise shared/data/text beside the repository or above it, or made-up text
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- train [--json] [--quick] [--profile] [--llmc FILE]
//   training steps beside TorchSharp's eager mode, and the matrix products beside the machine's peak; --quick: the smallest shape once;
//   --profile: no peers, but where a step's time goes, by kernel
//   --llmc   also beside llm.c, whose train_gpt2 is FILE; -- llmc FILE [--json] [--quick]: beside it alone
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- products [--json]
//   the matrix products alone
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- generate [--json] [--quick] [--only TEXT] [--llama-batched-bench FILE] [--ggml-gpt2 FOLDER]
//   reading prompts and writing text beside llama.cpp, GPT-2 124M with random weights; --quick: one round
//   --only                 only the rows whose name contains TEXT, such as "8 sequences, int8"
//   --llama-batched-bench  also beside llama.cpp's own program of this name
//   --ggml-gpt2            also beside ggml's gpt-2-backend and gpt-2-batched, which are in FOLDER
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- weights-read [PRECISION [PRESET …]]
//   how much of the machine's read bandwidth one sequence uses, in int8 and gpt2-774m unless told
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- decode-profile PRESET PRECISION SEQUENCES
//   where the time of a step of generation goes, by kernel: gpt2-124m int8 32
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- rollouts [--json] [--quick]
//   PPO's rollouts at the quickstart's size beside TorchSharp's model in a loop without a cache; --quick: one round
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- speculate MODEL PROMPTS [DRAFT]
//   writing text with and without guesses, of a look-up and of a draft model; PROMPTS has a text, or a JSON object, in each line
// dotnet run -c Release --project bench/Gpt35.Benchmarks -- check-tiktoken
//   ids of 100,000 random strings, three vocabularies, against tiktoken itself
switch (args)
{
    case ["tokenize", .. var options]:
        return TokenizeBenchmarks.Run(Options.Parse(options));
    case ["train", .. var options]:
        return TrainingBenchmarks.Run(Options.Parse(options));
    case ["llmc", var program, .. var options]:
        return LlmcBenchmark.Run(Options.Parse(options) with { Llmc = program });
    case ["products", .. var options]:
        return ProductBenchmarks.Run(Options.Parse(options));
    case ["train-steps", var contestant, var shape, var seconds]:
        TrainingSteps.Run(Enum.Parse<Contestant>(contestant), TrainingShape.Parse(shape), double.Parse(seconds, System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    case ["generate", .. var options]:
        return GenerateBenchmarks.Run(Options.Parse(options));
    case ["weights-read"]:
        GenerateBenchmarks.WeightsRead("gpt2-774m", Gpt35.Kernels.WeightPrecision.Int8, 2).Print(json: false);
        return 0;
    case ["weights-read", var precision, .. var presets]:
        foreach (var preset in presets.DefaultIfEmpty("gpt2-774m")) GenerateBenchmarks.WeightsRead(preset, Enum.Parse<Gpt35.Kernels.WeightPrecision>(precision, ignoreCase: true), 2).Print(json: false);
        return 0;
    case ["generate-ours", var file, var precision, var kind, var count]:
        GenerateBenchmarks.MeasureOurs(file, Enum.Parse<Gpt35.Kernels.WeightPrecision>(precision), kind, int.Parse(count, System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    case ["decode-profile", var preset, var precision, var sequences]:
        GenerationProfile.Run(ModelPreset.Get(preset).Config, Enum.Parse<Gpt35.Kernels.WeightPrecision>(precision, ignoreCase: true), int.Parse(sequences, System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    case ["rollouts", .. var options]:
        return RolloutBenchmarks.Run(Options.Parse(options));
    case ["rollout-rounds", var contestant, var file, var seconds]:
        RolloutRounds.Run(Enum.Parse<Contestant>(contestant), file, double.Parse(seconds, System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    case ["speculate", var model, var prompts, .. var draft] when draft.Length < 2:
        return SpeculationBenchmarks.Run(model, prompts, draft.FirstOrDefault());
    case ["check-tiktoken"]:
        return TiktokenCheck.Run();
    case ["train-tokenizer", var file]:
        TrainBenchmark.TrainOurs(file);
        return 0;
    default:
        Console.Error.WriteLine("Found no benchmark of that name. Expected: tokenize [--json] [--quick] [--text FOLDER], train [--json] [--quick] [--profile] [--llmc FILE], llmc FILE [--json] [--quick], products [--json], generate [--json] [--quick] [--only TEXT] [--llama-batched-bench FILE] [--ggml-gpt2 FOLDER], weights-read [PRECISION [PRESET …]], decode-profile PRESET PRECISION SEQUENCES, rollouts [--json] [--quick], speculate MODEL PROMPTS [DRAFT], or check-tiktoken.");
        return 2;
}
