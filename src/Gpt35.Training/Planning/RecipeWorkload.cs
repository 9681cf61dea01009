using Gpt35.Data;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>
/// What the recipe of a stage will compute. Data and models that exist are read as the stage would read them (records rendered and counted,
/// configurations without their weights); where something is not there yet, a note says what stays unknown, and init may be the name of a preset.
/// </summary>
public static class RecipeWorkload
{
    /// <summary>Tells a recipe's stage from its keys and reads it.</summary>
    /// <param name="path">The YAML file.</param>
    /// <param name="overrides">As for the stage.</param>
    /// <exception cref="InvalidDataException">It is no recipe of a stage, or one that the stage would refuse.</exception>
    public static Workload Read(string path, IReadOnlyList<string> overrides)
    {
        var keys = RecipeFile.Keys(path, overrides);
        if (keys.Contains("reward_model")) return Of(RecipeFile.Load<PpoRecipe>(path, overrides));
        if (keys.Contains("model")) return Of(RecipeFile.Load<PretrainRecipe>(path, overrides));
        if (keys.Contains("prompts_per_step") || keys.Contains("demonstrations")) return Of(RecipeFile.Load<RewardRecipe>(path, overrides));
        if (keys.Contains("batch") || keys.Contains("chat_format")) return Of(RecipeFile.Load<SftRecipe>(path, overrides));
        if (keys.Contains("rollout_prompts") || keys.Contains("ppo_epochs")) return Of(RecipeFile.Load<PpoRecipe>(path, overrides));
        throw new InvalidDataException($"{path}: no recipe of pretrain (model, steps), sft (batch, epochs), reward (prompts_per_step) or ppo (reward_model, iterations); found {string.Join(", ", keys)}.");
    }

    public static Workload Of(PretrainRecipe recipe)
    {
        var notes = new List<string>();
        var config = recipe.Model.ToConfig(VocabSize(recipe, notes));
        config.Validate();
        return new Workload
        {
            Kind = WorkloadKind.Pretrain,
            Model = config,
            Context = config.MaxPositionEmbeddings,
            MicroTokens = Math.Min(recipe.Batch.MicroTokens, recipe.Batch.Tokens),
            Tokens = (double)recipe.Steps * recipe.Batch.Tokens,
            Dropout = config.ResidDropout > 0,
            Format = recipe.Dtype,
            ActivationCheckpointing = recipe.ActivationCheckpointing,
            KeepsFormat = recipe.Backend == Backend.Torch,
            Notes = notes,
        };
    }

    public static Workload Of(SftRecipe recipe)
    {
        var notes = new List<string>();
        var start = Start.Of(recipe.Init, "init");
        var lora = recipe.Lora?.ToConfig(start.Config);
        var (tokens, longest, scored) = (double.NaN, start.Config.MaxPositionEmbeddings, 1.0);
        if (start.Tokenizer is { } tokenizer && Exist([.. recipe.Data.Train, .. recipe.TextMix?.Train ?? []], notes))
        {
            var data = DataSplit.Read(recipe.Data with { Heldout = [] }, path => RecordReader.ReadDemonstrations(path), demonstration => DataSplit.KeyOf(SupervisedFineTuning.PromptOf(demonstration))).Train;
            var rendered = SupervisedFineTuning.Render(data, ChatFormatFile.Find(recipe.ChatFormat), tokenizer, longest, "training", notes.Add);
            var once = rendered.Sum(sequence => (double)sequence.Ids.Length);
            var mixed = once * (recipe.TextMix?.Ratio ?? 0);
            tokens = recipe.Epochs * (once + mixed);
            scored = (rendered.Sum(sequence => (double)LanguageModelTraining.TrainedTokens(sequence)) + mixed) / Math.Max(1, once + mixed);
            if (recipe.TextMix is null) longest = rendered.Select(sequence => sequence.Ids.Length).DefaultIfEmpty(longest).Max();
        }
        return new Workload
        {
            Kind = WorkloadKind.Sft,
            Model = start.Config,
            Context = longest,
            MicroTokens = Math.Min(recipe.Batch.MicroTokens, recipe.Batch.Tokens),
            Tokens = tokens,
            ScoredShare = scored,
            Lora = lora,
            Dropout = (recipe.ResidDropout ?? start.Config.ResidDropout) > 0,
            Format = recipe.Dtype,
            ActivationCheckpointing = recipe.ActivationCheckpointing,
            KeepsFormat = recipe.Backend == Backend.Torch,
            Notes = notes,
        };
    }

    public static Workload Of(RewardRecipe recipe)
    {
        var notes = new List<string>();
        var start = Start.Of(recipe.Init, "init");
        var config = start.Config with { NumScalars = 1, ScalarHead = recipe.ReadsTokens ? ScalarHead.Action : ScalarHead.State };
        var (tokens, longest, scored) = (double.NaN, config.MaxPositionEmbeddings, 1.0);
        if (start.Tokenizer is { } tokenizer && start.Format is { } format && Exist(recipe.Data.Train, notes))
        {
            var data = DataSplit.Read(recipe.Data with { Heldout = [] }, path => RecordReader.ReadRankings(path), ranking => DataSplit.KeyOf(ranking.Prompt)).Train;
            var rendered = RankedPrompt.Render(data, format, tokenizer, longest, "training", notes.Add);
            var once = rendered.Sum(prompt => (double)prompt.TokenCount);
            tokens = recipe.Epochs * once;
            scored = rendered.Sum(prompt => (double)(recipe.ReadsTokens ? prompt.CompletionTokens : prompt.Sequences.Length)) / Math.Max(1, once);
            // All completions of a prompt travel together.
            longest = rendered.Select(prompt => prompt.TokenCount).DefaultIfEmpty(longest).Max();
        }
        return new Workload
        {
            Kind = WorkloadKind.Reward,
            Model = config,
            Context = longest,
            MicroTokens = recipe.MicroTokens,
            Tokens = tokens,
            ScoredShare = scored,
            Lora = recipe.Lora?.ToConfig(config),
            Format = recipe.Dtype,
            ActivationCheckpointing = recipe.ActivationCheckpointing,
            KeepsFormat = recipe.Backend == Backend.Torch,
            Notes = notes,
        };
    }

    public static Workload Of(PpoRecipe recipe)
    {
        var notes = new List<string>();
        var (start, judge) = (Start.Of(recipe.Init, "init"), Start.Of(recipe.RewardModel, "reward_model"));
        var config = start.Config;
        var room = config.MaxPositionEmbeddings - recipe.MaxTokens;
        var (longest, mean) = (Math.Max(1, room), double.NaN);
        if (start.Tokenizer is { } tokenizer && start.Format is { } format && Exist(recipe.Data.Train, notes))
        {
            var data = DataSplit.Read(recipe.Data with { Heldout = [] }, path => RecordReader.ReadPrompts(path), prompt => DataSplit.KeyOf(prompt.Messages)).Train;
            var lengths = data.Select(record => record.Origin.Blame(() => format.RenderPrompt(record.Messages, tokenizer)).Length).Where(length => length <= room).ToList();
            if (lengths.Count > 0) (longest, mean) = (lengths.Max(), lengths.Average());
        }
        var rollouts = (double)recipe.Iterations * recipe.RolloutPrompts;
        return new Workload
        {
            Kind = WorkloadKind.Ppo,
            Model = config,
            Judge = judge.Config with { NumScalars = 1, ScalarHead = ScalarHead.State },
            Context = longest + recipe.MaxTokens,
            MicroTokens = recipe.MicroTokens,
            Tokens = rollouts * (mean + recipe.MaxTokens),
            ScoredShare = double.IsNaN(mean) ? 1 : recipe.MaxTokens / (mean + recipe.MaxTokens),
            Slots = Math.Min(Ppo.GenerationBatch, recipe.RolloutPrompts),
            Rollouts = new RolloutWork(rollouts, mean, recipe.MaxTokens, recipe.PpoEpochs, (double)recipe.Iterations * recipe.PpoEpochs * recipe.Minibatches * (recipe.Ptx?.Tokens ?? 0)),
            Lora = recipe.Lora?.ToConfig(config),
            OneBase = recipe.Lora is not null && start.Base is { } under && under == judge.Base,
            Format = recipe.Dtype,
            ActivationCheckpointing = recipe.ActivationCheckpointing,
            KeepsFormat = recipe.Backend == Backend.Torch,
            Notes = notes,
        };
    }

    private static int VocabSize(PretrainRecipe recipe, List<string> notes)
    {
        if (KnownVocabularies.Names.Contains(recipe.Tokenizer) || File.Exists(recipe.Tokenizer) || Directory.Exists(recipe.Tokenizer)) return Tokenizer.Load(recipe.Tokenizer).VocabSize;
        if (recipe.Model.Preset is not { } name) return Tokenizer.Load(recipe.Tokenizer).VocabSize;          // its message says what is missing
        var assumed = ModelPreset.Get(name).Config.VocabSize;
        notes.Add($"{recipe.Tokenizer}: not there yet; planned with the preset's vocabulary of {assumed}.");
        return assumed;
    }

    private static bool Exist(IEnumerable<string> files, List<string> notes)
    {
        var missing = files.Where(file => !File.Exists(file) && !Directory.Exists(file)).ToList();
        if (missing.Count > 0) notes.Add($"{string.Join(", ", missing)}: not there yet, so the number of tokens is unknown.");
        return missing.Count == 0;
    }

    /// <summary>The model that a stage starts from, without its weights.</summary>
    private sealed record Start(ModelConfig Config, Tokenizer? Tokenizer, ChatFormat? Format, string? Base)
    {
        public static Start Of(string path, string key)
        {
            if (!Directory.Exists(path) && ModelPreset.Find(path) is { } preset)
            {
                var known = preset.Tokenizer is { } name && KnownVocabularies.TryGet(name, out var tokenizer) ? tokenizer : null;
                return new Start(preset.Config, known, ChatFormat.ByName(preset.ChatFormat ?? "chatml"), null);
            }
            if (!Directory.Exists(path))
                throw new DirectoryNotFoundException($"{path}: there is no such {key}. Plan with the name of a preset in its place, such as --set {key}=gpt3-125m, until it exists.");
            var (config, card) = ModelFolder.LoadCard(path);
            return new Start(config, Tokenizer.Load(path), ChatFormat.Stored(card.ChatFormat, card.ChatTemplate),
                Path.TrimEndingDirectorySeparator(AdapterFolder.IsOne(path) ? AdapterFolder.BaseOf(path) : Path.GetFullPath(path)));
        }
    }
}
