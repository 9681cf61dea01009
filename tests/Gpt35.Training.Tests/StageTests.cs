using System.Text.Json.Nodes;
using Gpt35.Data;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training.Tests;

public sealed class StageTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Theory]
    [InlineData("pretrain", "heldout_loss")]
    [InlineData("sft", "heldout_loss")]
    [InlineData("reward", "heldout_loss")]
    public void Every_supervised_stage_lowers_its_held_out_loss(string stage, string figure)
    {
        var numbers = Summary(stage).Numbers;
        Assert.True(numbers[$"{figure}_after"] < numbers[$"{figure}_before"], $"{numbers[$"{figure}_before"]} → {numbers[$"{figure}_after"]}");
    }

    [Theory]
    [InlineData("pretrain", "loss")]
    [InlineData("sft", "loss")]
    [InlineData("reward", "loss")]
    [InlineData("ppo", "score")]
    public void A_stage_closes_with_its_held_out_figure_before_and_after(string stage, string figure)
    {
        var recorder = new Recorder();
        var numbers = tiny.Run(stage, tiny.Context($"{stage}-closing", observer: recorder)).Numbers;
        Assert.StartsWith($"Held-out {figure} {numbers[$"heldout_{figure}_before"]:F3} → {numbers[$"heldout_{figure}_after"]:F3}", recorder.Notes[^1]);
    }

    [Fact]
    public void Ppo_closes_with_its_first_and_last_round_where_nothing_was_held_out()
    {
        var recorder = new Recorder();
        var numbers = Ppo.Run(tiny.Ppo with { Data = tiny.Ppo.Data with { HeldoutFraction = 0 } }, tiny.Context("ppo-closing-rounds", observer: recorder)).Numbers;
        Assert.DoesNotContain(numbers.Keys, name => name.StartsWith("heldout", StringComparison.Ordinal));
        Assert.StartsWith($"Score of a round {numbers["score_first"]:F3} → {numbers["score_last"]:F3}, nothing was held out; ", recorder.Notes[^1]);
    }

    [Fact]
    public void Bits_per_byte_is_the_loss_of_every_token_over_the_exact_bytes()
    {
        var numbers = tiny.PretrainSummary.Numbers;
        Assert.Equal(numbers["heldout_loss_after"] * numbers["heldout_tokens"] / Math.Log(2) / numbers["heldout_bytes"], numbers["heldout_bits_per_byte_after"], 1e-9);
        var documents = RecordReader.ReadText(tiny.In("text.txt")).Where(document => DataSplit.IsHeldOut(document, 0.2)).ToList();
        Assert.Equal(documents.Sum(document => document.Length), numbers["heldout_bytes"]);
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    public void A_run_folder_holds_everything_a_reader_needs(string stage)
    {
        var folder = tiny.In(stage);
        foreach (var name in (string[])["recipe.yaml", "metrics.jsonl", "samples.jsonl", "summary.json", "model/config.json", "model/model.safetensors", "model/gpt35.json"])
            Assert.True(File.Exists(Path.Combine(folder, name)), name);
        Assert.Equal(Summary(stage).Steps, File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Count());
        Assert.NotEmpty(File.ReadAllLines(Path.Combine(folder, "samples.jsonl")));
        var summary = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "summary.json")))!;
        Assert.Equal(Summary(stage).Tokens, (long)summary["tokens"]!);
        Assert.True((double)summary["tokens_per_second"]! > 0);
        foreach (var (name, figure) in Summary(stage).Numbers) Assert.Equal(figure, (double)summary[name]!);
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories), path => path.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("pretrain", 3)]
    [InlineData("sft", 2)]
    [InlineData("reward", 5)]
    [InlineData("ppo", 2)]
    public void A_run_interrupted_at_any_step_resumes_to_the_same_weights(string stage, int after)
    {
        var run = $"{stage}-interrupted";
        var first = new Recorder(after);
        var stopped = Assert.Throws<OperationCanceledException>(() => tiny.Run(stage, tiny.Context(run, observer: first)));
        Assert.Contains("--resume", stopped.Message);
        Assert.Equal(after, first.Steps[^1]);
        Assert.True(after < first.TotalSteps);
        Assert.True(Directory.Exists(Path.Combine(tiny.In(run), "checkpoints", $"step-{after}")));
        // Lines of steps that were lost, as after a power cut: they are done again.
        File.AppendAllText(Path.Combine(tiny.In(run), "metrics.jsonl"), $"{{\"step\":{after + 1},\"loss\":1}}\n{{\"ste");

        var second = new Recorder();
        tiny.Run(stage, tiny.Context(run, resume: true, observer: second));
        Assert.Equal(after + 1, second.Steps[0]);
        Assert.Equal(tiny.Metrics(stage), tiny.Metrics(run));
        Assert.Equal(Weights(stage), Weights(run));
        Assert.Equal(File.ReadAllText(Path.Combine(tiny.In(stage), "samples.jsonl")), File.ReadAllText(Path.Combine(tiny.In(run), "samples.jsonl")));
        Assert.Equal(Comparable(tiny.In(stage)), Comparable(tiny.In(run)));
    }

    [Fact]
    public void Checkpoints_are_written_as_often_as_asked_and_the_two_newest_are_kept()
    {
        Pretraining.Run(tiny.Pretrain with { CheckpointEvery = 2 }, tiny.Context("often"));
        Assert.Equal(["step-4", "step-6"], Directory.EnumerateDirectories(Path.Combine(tiny.In("often"), "checkpoints")).Select(Path.GetFileName).Order());
        Assert.Equal(Weights("pretrain"), Weights("often"));
    }

    [Fact]
    public void A_damaged_checkpoint_is_named_and_not_used()
    {
        var recorder = new Recorder(2);
        Assert.Throws<OperationCanceledException>(() => tiny.Run("pretrain", tiny.Context("damaged", observer: recorder)));
        var optimizer = Path.Combine(tiny.In("damaged"), "checkpoints", "step-2", "optimizer.bin");
        var bytes = File.ReadAllBytes(optimizer);
        bytes[^5] ^= 1;
        File.WriteAllBytes(optimizer, bytes);
        var error = Assert.Throws<InvalidDataException>(() => tiny.Run("pretrain", tiny.Context("damaged", resume: true)));
        Assert.Contains("optimizer.bin", error.Message);
        Assert.Contains("SHA-256", error.Message);
    }

    [Fact]
    public void A_run_folder_that_exists_is_refused_unless_it_is_resumed()
    {
        Assert.Contains("--resume", Assert.Throws<IOException>(() => tiny.Run("pretrain", tiny.Context("pretrain"))).Message);
        Assert.Contains("finished", Assert.Throws<InvalidDataException>(() => tiny.Run("pretrain", tiny.Context("pretrain", resume: true))).Message);
        Assert.Throws<DirectoryNotFoundException>(() => tiny.Run("pretrain", tiny.Context("never-started", resume: true)));
    }

    [Fact]
    public void A_run_resumes_only_with_its_own_recipe()
    {
        Assert.Throws<OperationCanceledException>(() => tiny.Run("sft", tiny.Context("changed", observer: new Recorder(1))));
        var error = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(tiny.Sft with { Epochs = 4 }, tiny.Context("changed", resume: true)));
        Assert.Contains("\"epochs: 3\"", error.Message);
        Assert.Contains("\"epochs: 4\"", error.Message);
        var block = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(tiny.Sft with { Ema = new EmaOptions { Decay = 0.9 } }, tiny.Context("changed", resume: true)));
        Assert.Contains("started without \"ema:\"", block.Message);
        var dropped = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(tiny.Sft with { ResidDropout = null }, tiny.Context("changed", resume: true)));
        Assert.Contains("started with \"resid_dropout: 0.2\" and is to be resumed without it", dropped.Message);
    }

    [Fact]
    public void Models_remember_where_they_come_from()
    {
        var (config, card) = ModelFolder.LoadCard(tiny.ModelOf("sft"));
        Assert.Equal(("sft", "chatml", 0.2f), (card.Stage, card.ChatFormat, config.ResidDropout));
        Assert.Equal([tiny.ModelOf("pretrain")], card.Parents);
        Assert.Equal(RecipeFile.Hash(tiny.Sft), card.RecipeHash);
        Assert.Equal(1, ModelFolder.LoadCard(tiny.ModelOf("reward")).Config.NumScalars);
        Assert.Equal([tiny.ModelOf("sft"), tiny.ModelOf("reward")], ModelFolder.LoadCard(tiny.ModelOf("ppo")).Card.Parents);
    }

    [Fact]
    public void Rankings_of_the_same_answers_by_several_labellers_are_one_prompt()
    {
        using var folder = ModelFolder.Load(tiny.ModelOf("reward"), WorkerPool.Shared);
        Message[] asked = [Message.User("b a")], other = [Message.User("a b")];
        Ranking[] rankings =
        [
            new(asked, ["a b", "b b", "a b"], [1, 2, 1]), new(other, ["a b", "b b", "a b"], [1, 2, 1]),
            new(asked, ["a b", "b b", "a b"], [2, 1, 2]), new(asked, ["a b", "b b", "a b"], [1, 1, 1]),
        ];
        var notes = new List<string>();
        var prompts = RankedPrompt.Render(rankings, ChatFormat.ByName(folder.Card.ChatFormat!), folder.Tokenizer, folder.Model.Config.MaxPositionEmbeddings, "training", notes.Add);
        Assert.Equal(2, prompts.Count);
        Assert.Equal(2, prompts[0].Sequences.Length);                       // what reads the same passes once
        Assert.Equal([0, 1, 0], prompts[0].Which);
        Assert.All(prompts, prompt => Assert.All(prompt.Sequences, ids => Assert.InRange(ids.Length - prompt.PromptLength, 2, 5)));
        Assert.Equal(prompts[0].Sequences[0][..prompts[0].PromptLength], prompts[0].Sequences[1][..prompts[0].PromptLength]);
        Assert.Equal([[1, 2, 1], [2, 1, 2]], prompts[0].Rankings);          // the third decides nothing
        Assert.Equal([[1, 2, 1]], prompts[1].Rankings);
        Assert.Contains("1 of 4 training rankings", Assert.Single(notes));
    }

    [Fact]
    public void The_reward_bias_makes_demonstrations_average_zero()
    {
        using var folder = ModelFolder.Load(tiny.ModelOf("reward"), WorkerPool.Shared);
        var sequences = RecordReader.ReadDemonstrations(tiny.In("demonstrations.jsonl"))
            .Select(d => RewardModeling.Sequence([.. d.Messages.SkipLast(1)], d.Messages[^1].Content, ChatFormat.ChatMl, folder.Tokenizer)).ToList();
        var rewards = RewardModeling.Rewards(folder.Model, sequences, 1000);
        Assert.Equal(0, rewards.Average() + folder.Card.RewardBias, 1e-5);
        Assert.True(tiny.RewardSummary.Numbers["heldout_accuracy_after"] > 0.9);
        Assert.Equal(tiny.RewardSummary.Numbers["heldout_pairs"], tiny.RewardSummary.Series["heldout_margins"].Length);
    }

    [Fact]
    public void Ppo_reports_what_shows_its_health()
    {
        var rows = tiny.Metrics("ppo").Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        foreach (var row in rows)
        {
            foreach (var name in (string[])["score", "reward", "kl_per_token", "kl_sum", "entropy", "clip_fraction", "approx_kl", "value_loss", "explained_variance", "completion_length", "finished", "kl_coef", "ptx_loss"])
                Assert.True(row.ContainsKey(name), name);
            Assert.Equal(0, (double)row["first_ratio_gap"]!);
            Assert.Equal(0, (double)row["sampler_gap"]!);
        }
        Assert.Equal(0, (double)rows[0]["kl_per_token"]!);              // the first rollouts come from the reference itself
        Assert.NotEqual((double)rows[0]["kl_coef"]!, (double)rows[^1]["kl_coef"]!);
    }

    [Fact]
    public void A_model_of_the_wrong_kind_is_refused_by_name()
    {
        var asReward = Assert.Throws<InvalidDataException>(() => Ppo.Run(tiny.Ppo with { RewardModel = tiny.ModelOf("sft") }, tiny.Context("wrong-1")));
        Assert.Contains("not a reward model", asReward.Message);
        var asInit = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(tiny.Sft with { Init = tiny.ModelOf("reward") }, tiny.Context("wrong-2")));
        Assert.Contains("needs a language model", asInit.Message);
        var asBase = Assert.Throws<InvalidDataException>(() => RewardModeling.Run(tiny.Reward with { Init = tiny.ModelOf("pretrain") }, tiny.Context("wrong-3")));
        Assert.Contains("gpt35 sft", asBase.Message);
    }

    [Fact]
    public void Missing_files_and_empty_splits_are_the_users_to_mend()
    {
        Assert.Throws<FileNotFoundException>(() => Pretraining.Run(tiny.Pretrain with { Data = new DataOptions { Train = [tiny.In("none.txt")] } }, tiny.Context("missing-1")));
        Assert.False(Directory.Exists(tiny.In("missing-1")), "A run that never began must not stand in the way of the next try.");
        Assert.Throws<DirectoryNotFoundException>(() => SupervisedFineTuning.Run(tiny.Sft with { Init = tiny.In("none") }, tiny.Context("missing-2")));
        var both = tiny.Pretrain.Data with { Heldout = [tiny.In("text.txt")] };
        Assert.Contains("heldout_fraction", Assert.Throws<InvalidDataException>(() => Pretraining.Run(tiny.Pretrain with { Data = both }, tiny.Context("missing-3"))).Message);
    }

    [Fact]
    public void Conversations_longer_than_the_context_are_cut_after_the_last_answer_that_fits()
    {
        var tokenizer = Tokenizer.Load(tiny.In("tokenizer"));
        Message[] turns = [Message.User("a"), Message.Assistant("b"), Message.User("c"), Message.Assistant("d")];
        var full = ChatFormat.ChatMl.Render(turns, tokenizer).Ids.Length;
        var notes = new List<string>();
        Demonstration[] data = [new(turns), new([Message.User(new string('x', 500)), Message.Assistant("y")])];
        var kept = SupervisedFineTuning.Render(data, ChatFormat.ChatMl, tokenizer, full - 1, "training", notes.Add);
        var only = Assert.Single(kept);
        Assert.Equal(ChatFormat.ChatMl.Render(turns[..2], tokenizer).Ids, only.Ids);
        Assert.Equal(2, notes.Count);
    }

    [Fact]
    public void A_row_without_anything_to_train_on_is_refused_by_file_and_line()
    {
        var tokenizer = Tokenizer.Load(tiny.In("tokenizer"));
        Demonstration[] data = [new([Message.User("only a question")]) { Origin = new Origin("rows.jsonl:7") }];
        var error = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Render(data, ChatFormat.ChatMl, tokenizer, 64, "training", _ => { }));
        Assert.StartsWith("rows.jsonl:7: found a conversation without an assistant turn", error.Message);
    }

    [Fact]
    public void A_row_that_the_chat_format_cannot_write_is_refused_by_file_and_line()
    {
        var rows = tiny.In("two-questions.jsonl");
        File.WriteAllLines(rows, ["{\"prompt\": \"a\", \"completion\": \"b\"}", "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}, {\"role\": \"assistant\", \"content\": \"c\"}]}"]);
        var error = Assert.Throws<InvalidDataException>(() => SupervisedFineTuning.Run(
            tiny.Sft with { ChatFormat = "instruct", Data = new DataOptions { Train = [rows] } }, tiny.Context("two-questions")));
        Assert.StartsWith($"{rows}:2: Chat format \"instruct\"", error.Message);
    }

    [Fact]
    public void A_format_of_ones_own_goes_with_the_model_through_every_stage()
    {
        var file = tiny.In("own.yaml");
        File.WriteAllText(file, "name: own\nturns: single\nuser: {prefix: \"Q: \", suffix: \"\\nA:\"}\nassistant: {lead: \" \", end: <|endoftext|>}\n");
        SupervisedFineTuning.Run(tiny.Sft with { ChatFormat = file }, tiny.Context("own-sft"));
        File.Delete(file);                                            // the folder explains itself
        RewardModeling.Run(tiny.Reward with { Init = tiny.ModelOf("own-sft") }, tiny.Context("own-reward"));
        var ppo = tiny.Ppo with { Init = tiny.ModelOf("own-sft"), RewardModel = tiny.ModelOf("own-reward") };
        Training.Ppo.Run(ppo, tiny.Context("own-ppo"));
        foreach (var run in (string[])["own-sft", "own-reward", "own-ppo"])
        {
            using var folder = ModelFolder.Load(tiny.ModelOf(run), WorkerPool.Shared);
            var format = ChatFormat.Stored(folder.Card.ChatFormat, folder.Card.ChatTemplate)!;
            Assert.Equal("Q: x\nA:", folder.Tokenizer.Decode(format.RenderPrompt([Message.User("x")], folder.Tokenizer)));
            Assert.Equal((SpecialTokens.EndOfText, folder.Tokenizer.EndOfText), (folder.Card.EndOfTurn, format.EndOfTurn(folder.Tokenizer)));
        }
        Assert.Contains("Q: ", File.ReadAllText(Path.Combine(tiny.In("own-ppo"), "samples.jsonl")));
        var mixed = Assert.Throws<InvalidDataException>(() => Training.Ppo.Run(ppo with { RewardModel = tiny.ModelOf("reward") }, tiny.Context("mixed-ppo")));
        Assert.Contains("reads chat format \"chatml\"", mixed.Message);
    }

    [Fact]
    public void Pre_training_with_gaps_to_fill_is_the_same_run_twice_and_another_than_without()
    {
        var documents = RecordReader.ReadText(tiny.In("text.txt"));
        BpeTrainer.Train(documents, new BpeTrainerOptions { VocabSize = 310, SpecialTokens = [.. SpecialTokens.Default, SpecialTokens.FimPrefix, SpecialTokens.FimMiddle, SpecialTokens.FimSuffix] }, TestContext.Current.CancellationToken)
            .Save(Directory.CreateDirectory(tiny.In("fim-tokenizer")).FullName);
        var recipe = tiny.Pretrain with { Tokenizer = tiny.In("fim-tokenizer"), Fim = new FimOptions() };
        foreach (var run in (string[])["fim-1", "fim-2"]) Pretraining.Run(recipe, tiny.Context(run));
        Pretraining.Run(recipe with { Fim = null }, tiny.Context("fim-none"));
        Assert.Equal(Weights("fim-1"), Weights("fim-2"));
        Assert.NotEqual(Weights("fim-1"), Weights("fim-none"));
        Assert.Contains("--special-token", Assert.Throws<InvalidDataException>(() => Pretraining.Run(tiny.Pretrain with { Fim = new FimOptions() }, tiny.Context("fim-bare"))).Message);
    }

    [Fact]
    public void Token_shards_train_to_the_weights_and_numbers_of_their_text()
    {
        var folder = Directory.CreateDirectory(tiny.In("shards")).FullName;
        TokenShardWriter.Write(folder, RecordReader.ReadText(tiny.In("text.txt")), Tokenizer.Load(tiny.Pretrain.Tokenizer), shardTokens: 100, TestContext.Current.CancellationToken);
        Pretraining.Run(tiny.Pretrain with { Data = tiny.Pretrain.Data with { Train = [folder] } }, tiny.Context("from-shards"));
        Assert.Equal(Weights("pretrain"), Weights("from-shards"));
        Assert.Equal(tiny.Metrics("pretrain"), tiny.Metrics("from-shards"));
        Assert.Equal(Comparable(tiny.In("pretrain")), Comparable(tiny.In("from-shards")));
    }

    [Fact]
    public void Text_mixed_into_fine_tuning_has_its_share_of_the_tokens()
    {
        var tokenizer = Tokenizer.Load(tiny.In("tokenizer"));
        long Tokens(double ratio, ulong seed = 1) =>
            SupervisedFineTuning.Text(new TextMixOptions { Train = [tiny.In("text.txt")], Ratio = ratio }, 400, seed, tokenizer, 32, _ => { }).Sum(text => (long)LanguageModelTraining.TrainedTokens(text));
        Assert.Equal(0, Tokens(0));
        Assert.InRange(Tokens(0.5), 200, 300);                       // it stops after the document that reaches the share
        Assert.Equal(Tokens(0.5), Tokens(0.5));
    }

    [Fact]
    public void Every_token_of_every_document_is_scored_once_and_sees_only_its_own_document()
    {
        var tokenizer = Tokenizer.Load(tiny.In("tokenizer"));
        string[] documents = ["The cat is red.", "Owls.", "The hen is at the lake, and so is the old cat."];
        var cut = TextWindows.Cut(documents, tokenizer, context: 7);
        Assert.All(cut.Windows, window => Assert.InRange(window.Ids.Length, 2, 7));
        var stream = documents.SelectMany(document => (int[])[.. tokenizer.Encode(document), tokenizer.EndOfText]);
        Assert.Equal(stream, cut.Windows.SelectMany(window => window.Ids.Skip(1)));                    // scored once, in order
        Assert.All(cut.Windows, window => Assert.DoesNotContain(tokenizer.EndOfText, window.Ids[1..^1]));
        Assert.Equal((stream.Count(), (long)documents.Sum(document => document.Length)), (cut.Tokens, cut.Bytes));
        Assert.True(TextWindows.Cut(documents, tokenizer, 7, maxTokens: 1).Tokens < cut.Tokens);
    }

    private StageSummary Summary(string stage) => stage switch
    {
        "pretrain" => tiny.PretrainSummary,
        "sft" => tiny.SftSummary,
        "reward" => tiny.RewardSummary,
        _ => tiny.PpoSummary,
    };

    private byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(tiny.ModelOf(run), "model.safetensors"));

    /// <summary>A summary without what the clock says and without paths.</summary>
    private static string Comparable(string folder)
    {
        var summary = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "summary.json")))!.AsObject();
        foreach (var name in (string[])["model", "seconds", "tokens_per_second"]) summary.Remove(name);
        return summary.ToJsonString();
    }

    [Fact]
    public void Of_two_processes_that_begin_the_same_run_the_later_one_leaves_that_of_the_earlier_as_it_is()
    {
        // The other one comes first to the end, between this one's look at the folder and its first step.
        var late = tiny.Context("raced") with { Observer = new WhenStarted(() => tiny.Run("pretrain", tiny.Context("raced"))) };
        Assert.Contains("this run folder exists", Assert.Throws<IOException>(() => tiny.Run("pretrain", late)).Message);
        Assert.Equal(tiny.Metrics("pretrain"), tiny.Metrics("raced"));
        Assert.False(File.Exists(Path.Combine(tiny.In("raced"), "run.lock")));
    }

    private sealed class WhenStarted(Action action) : IRunObserver
    {
        public void Started(string stage, int totalSteps, string description) => action();
        public void Step(int step, IReadOnlyDictionary<string, double> metrics) { }
        public void Note(string line) { }
        public void Finished(StageSummary summary) { }
    }
}
