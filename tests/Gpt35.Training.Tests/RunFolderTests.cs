using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Training.Tests;

/// <summary>What may happen to a run folder and to what it was started from, between two steps or two days: nothing is lost, and the message says how to go on.</summary>
public sealed class RunFolderTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Theory]
    [InlineData("pretrain", "text.txt", "hill", "bill")]
    [InlineData("pretrain-shards", "text.txt", "hill", "bill")]
    [InlineData("sft", "demonstrations.jsonl", "owl green", "owl great")]
    [InlineData("reward", "rankings.jsonl", "[2,1,3]", "[1,2,3]")]
    [InlineData("ppo", "prompts.jsonl", "owl green", "owl great")]
    [InlineData("ppo", "text.txt", "hill", "bill")]
    public void A_run_resumes_only_on_its_own_data(string stage, string file, string was, string becomes)
    {
        var (run, path) = ($"{stage}-{file}", tiny.In($"{stage}-changing-{file}"));
        File.Copy(tiny.In(file), path);
        Assert.Throws<OperationCanceledException>(() => Run(tiny.Context(run, observer: new Recorder(1))));
        var text = File.ReadAllText(path);
        Assert.Contains(was, text);
        File.WriteAllText(path, text.Replace(was, becomes));
        var error = Assert.Throws<InvalidDataException>(() => Run(tiny.Context(run, resume: true)));
        Assert.Contains("other data", error.Message);
        Assert.Contains("put the files back", error.Message);
        // Nothing was touched; with the files as they were, the run goes on.
        File.WriteAllText(path, text);
        Run(tiny.Context(run, resume: true));
        Assert.Equal(Weights(stage.Split('-')[0]), Weights(run));

        StageSummary Run(StageContext context)
        {
            if (stage != "pretrain-shards")
                return stage switch
                {
                    "pretrain" => Pretraining.Run(tiny.Pretrain with { Data = On(tiny.Pretrain.Data) }, context),
                    "sft" => SupervisedFineTuning.Run(tiny.Sft with { Data = On(tiny.Sft.Data) }, context),
                    "reward" => RewardModeling.Run(tiny.Reward with { Data = On(tiny.Reward.Data) }, context),
                    _ when file == "text.txt" => Ppo.Run(tiny.Ppo with { Ptx = tiny.Ppo.Ptx! with { Train = [path] } }, context),
                    _ => Ppo.Run(tiny.Ppo with { Data = On(tiny.Ppo.Data) }, context),
                };
            var shards = tiny.In("changing-shards");
            if (Directory.Exists(shards)) Directory.Delete(shards, recursive: true);
            TokenShardWriter.Write(Directory.CreateDirectory(shards).FullName, RecordReader.ReadText(path), Tokenizer.Load(tiny.Pretrain.Tokenizer), shardTokens: 100, TestContext.Current.CancellationToken);
            return Pretraining.Run(tiny.Pretrain with { Data = tiny.Pretrain.Data with { Train = [shards] } }, context);
        }

        DataOptions On(DataOptions data) => data with { Train = [path] };
    }

    [Fact]
    public void Ppo_resumes_only_with_the_reward_model_it_was_started_with()
    {
        var copy = tiny.In("changing-reward-model");
        foreach (var file in Directory.EnumerateFiles(tiny.Ppo.RewardModel)) File.Copy(file, Path.Combine(Directory.CreateDirectory(copy).FullName, Path.GetFileName(file)));
        var recipe = tiny.Ppo with { RewardModel = copy };
        Assert.Throws<OperationCanceledException>(() => Ppo.Run(recipe, tiny.Context("ppo-reward-model", observer: new Recorder(1))));
        var path = Path.Combine(copy, "model.safetensors");
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, [.. bytes[..^4], .. BitConverter.GetBytes(0.125f)]);
        Assert.Contains("a model that it reads", Assert.Throws<InvalidDataException>(() => Ppo.Run(recipe, tiny.Context("ppo-reward-model", resume: true))).Message);
        File.WriteAllBytes(path, bytes);
        Ppo.Run(recipe, tiny.Context("ppo-reward-model", resume: true));
        Assert.Equal(Weights("ppo"), Weights("ppo-reward-model"));
    }

    [Fact]
    public void Where_nothing_can_be_written_a_run_says_so_before_it_reads_anything()
    {
        var unreadable = tiny.Pretrain with { Data = new DataOptions { Train = [tiny.In("none.txt")] } };
        var error = Assert.Throws<IOException>(() => Pretraining.Run(unreadable, tiny.Context(Path.Combine("text.txt", "runs", "a"))));
        Assert.Contains(tiny.In("text.txt"), error.Message);
        Assert.Contains("Choose another run folder", error.Message);
        Assert.SkipUnless(Directory.Exists("/proc"), "needs a place where nobody may make a file");
        var proc = Assert.Throws<IOException>(() => Pretraining.Run(unreadable, tiny.Context("/proc/a")));
        Assert.StartsWith("/proc/a: cannot be written", proc.Message);
        Assert.Contains("Choose another run folder", proc.Message);
    }

    [Fact]
    public void Trying_whether_a_folder_can_be_written_leaves_nothing_there()
    {
        Directory.CreateDirectory(tiny.In("there"));
        var unreadable = tiny.Pretrain with { Data = new DataOptions { Train = [tiny.In("none.txt")] } };
        Assert.Throws<FileNotFoundException>(() => Pretraining.Run(unreadable, tiny.Context("there")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(tiny.In("there")));
        Assert.Throws<FileNotFoundException>(() => Pretraining.Run(unreadable, tiny.Context(Path.Combine("not", "yet"))));
        Assert.False(Directory.Exists(tiny.In("not")));
    }

    [Theory]
    [InlineData("model")]
    [InlineData("samples.jsonl")]
    [InlineData("summary.json")]
    [InlineData("checkpoints/step-6")]
    public void What_cannot_be_written_ends_the_run_with_how_to_go_on(string name)
    {
        var run = $"unwritable-{Path.GetFileName(name)}";
        var path = Path.Combine(tiny.In(run), name);
        // Something of the other kind under its name: no file takes the place of a folder, and no folder that of a file.
        var observer = new Watcher { OnStep = step => { if (step == 5) Block(path); } };
        var recipe = tiny.Pretrain with { CheckpointEvery = 2 };
        var error = Assert.Throws<IOException>(() => Pretraining.Run(recipe, tiny.Context(run) with { Observer = observer }));
        Assert.StartsWith($"{path}: cannot be written", error.Message);
        Assert.Contains("go on with --resume", error.Message);
        if (Directory.Exists(path)) Directory.Delete(path); else File.Delete(path);
        Pretraining.Run(recipe, tiny.Context(run, resume: true));
        Assert.Equal(Weights("pretrain"), Weights(run));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(tiny.In(run), "*", SearchOption.AllDirectories), left => left.EndsWith(".tmp", StringComparison.Ordinal));

        static void Block(string path)
        {
            if (Path.HasExtension(path)) Directory.CreateDirectory(path);
            else File.WriteAllText(path, "");
        }
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("{\"loss\": 1}")]
    [InlineData("{\"step\": \"two\"}")]
    [InlineData("{\"step\": 0.5}")]
    public void A_line_among_the_metrics_that_is_none_ends_them(string line)
    {
        var run = $"odd-line-{line.Length}";
        Assert.Throws<OperationCanceledException>(() => tiny.Run("pretrain", tiny.Context(run, observer: new Recorder(2))));
        File.AppendAllText(Path.Combine(tiny.In(run), "metrics.jsonl"), line + "\n");
        tiny.Run("pretrain", tiny.Context(run, resume: true));
        Assert.Equal(tiny.Metrics("pretrain"), tiny.Metrics(run));
    }

    [Fact]
    public void A_lock_that_cannot_be_made_is_not_taken_for_another_process()
    {
        Assert.Throws<OperationCanceledException>(() => tiny.Run("pretrain", tiny.Context("unlockable", observer: new Recorder(1))));
        Directory.CreateDirectory(Path.Combine(tiny.In("unlockable"), "run.lock"));
        var error = Assert.Throws<IOException>(() => tiny.Run("pretrain", tiny.Context("unlockable", resume: true)));
        Assert.Contains("cannot be written", error.Message);
        Assert.DoesNotContain("another process", error.Message);
    }

    [Fact]
    public void A_run_in_progress_is_not_resumed_beside_itself()
    {
        var second = new List<IOException>();
        var observer = new Watcher { OnStep = step => { if (step == 3) second.Add(Assert.Throws<IOException>(() => tiny.Run("pretrain", tiny.Context("busy", resume: true)))); } };
        tiny.Run("pretrain", tiny.Context("busy") with { Observer = observer });
        Assert.Contains("another process is working", Assert.Single(second).Message);
        Assert.Equal(Weights("pretrain"), Weights("busy"));
    }

    [Fact]
    public void A_run_that_another_overtook_while_it_read_its_data_leaves_that_one_alone()
    {
        var observer = new Watcher { OnStarted = () => tiny.Run("pretrain", tiny.Context("overtaken")) };
        var error = Assert.Throws<IOException>(() => tiny.Run("pretrain", tiny.Context("overtaken") with { Observer = observer }));
        Assert.Contains("this run folder exists", error.Message);
        Assert.Equal(Weights("pretrain"), Weights("overtaken"));
        Assert.Equal(tiny.Metrics("pretrain"), tiny.Metrics("overtaken"));
    }

    [Fact]
    public void Answers_as_long_as_the_context_are_refused_in_one_line()
    {
        var recorder = new Recorder();
        var error = Assert.Throws<InvalidDataException>(() => Ppo.Run(tiny.Ppo with { MaxTokens = 64 }, tiny.Context("no-room", observer: recorder)));
        Assert.Contains("Lower max_tokens", error.Message);
        Assert.Empty(recorder.Notes);
    }

    private byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(tiny.ModelOf(run), "model.safetensors"));

    private sealed class Watcher : IRunObserver
    {
        public Action OnStarted { get; init; } = () => { };
        public Action<int> OnStep { get; init; } = _ => { };

        public void Started(string stage, int totalSteps, string description) => OnStarted();
        public void Step(int step, IReadOnlyDictionary<string, double> metrics) => OnStep(step);
        public void Note(string line) { }
        public void Finished(StageSummary summary) { }
    }
}
