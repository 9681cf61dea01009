using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training.Tests;

public sealed class ModelFamilyTests : IDisposable
{
    private const string Text = "Once upon a time there was a little owl who lived in a barn by the lake. Every night she counted the stars, and every morning she forgot how many.";
    private const string Rest = "\ndata: {train: [a.txt]}\ntokenizer: tok\nbatch: {tokens: 400}\nsteps: 120\noptimizer: {lr: 0.01, warmup_steps: 10}\n";
    private readonly string root = Directory.CreateTempSubdirectory("gpt35-family-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void A_small_llama_as_the_documentation_writes_it_learns_its_text_by_heart()
    {
        File.WriteAllText(In("text.txt"), Text);
        BpeTrainer.Train([Text], new BpeTrainerOptions { VocabSize = 280 }, cancel: TestContext.Current.CancellationToken).Save(Directory.CreateDirectory(In("tokenizer")).FullName);
        var recipe = RecipeFile.Parse<PretrainRecipe>(Documented() + Rest, "r.yaml",
        [
            $"tokenizer={In("tokenizer")}", $"data.train={In("text.txt")}", "model.hidden_size=32", "model.num_hidden_layers=2", "model.intermediate_size=48",
            "model.max_position_embeddings=160", "model.sliding_window=64",
        ]);
        var context = new StageContext { RunFolder = In("run"), Pool = WorkerPool.Shared, Observer = new Recorder() };
        Pretraining.Run(recipe, context);

        using var folder = ModelFolder.Load(In("run/model"), WorkerPool.Shared);
        var config = folder.Model.Config;
        Assert.Equal((PositionEncoding.Rotary, Normalization.RmsNorm, Activation.Silu, true, 8, 2, 64),
            (config.PositionEncoding, config.Normalization, config.HiddenAct, config.GatedMlp, config.NumAttentionHeads, config.NumKeyValueHeads, config.SlidingWindow));
        Assert.True(config is { AttentionBias: false, MlpBias: false, TieWordEmbeddings: false });
        int[] prompt = [folder.Tokenizer.EndOfText, .. folder.Tokenizer.Encode("Once upon")], whole = folder.Tokenizer.Encode(Text);
        var logits = new float[config.VocabSize];
        using var cache = new SlotCache(config, 1, 160);
        List<int> told = [.. prompt];
        while (told.Count <= whole.Length)
        {
            var fresh = told.Count - cache.Length(0);
            folder.Model.Extend(cache, [0], [0, fresh], told.ToArray().AsSpan(told.Count - fresh), logits);
            told.Add(Array.IndexOf(logits, logits.Max()));
        }
        Assert.Equal(Text, folder.Tokenizer.Decode([.. told.Skip(1)]));
    }

    [Fact]
    public void Every_key_of_a_shape_reaches_the_configuration()
    {
        var shape = RecipeFile.Parse<PretrainRecipe>(Documented() + Rest, "r.yaml",
        [
            "model.head_dim=16", "model.rope_theta=500000", "model.rope_scaling={rope_type: yarn, factor: 4, original_max_position_embeddings: 128, attention_factor: 1.5}",
            "model.layer_norm_eps=1e-6", "model.sliding_window_pattern=2", "model.hidden_act=gelu",
        ]).Model;
        var config = shape.ToConfig(300);
        config.Validate();
        Assert.Equal((16, 500_000, 1e-6f, 2, Activation.Gelu), (config.HeadDim, config.RopeTheta, config.LayerNormEps, config.SlidingWindowPattern, config.HiddenAct));
        Assert.Equal(new RopeScaling { RopeType = RopeType.Yarn, Factor = 4, OriginalMaxPositionEmbeddings = 128, AttentionFactor = 1.5 }, config.RopeScaling);
        var recipe = new PretrainRecipe
        {
            Tokenizer = "t",
            Model = shape,
            Data = new DataOptions { Train = ["a"] },
            Batch = new BatchOptions { Tokens = 1 },
            Steps = 1,
            Optimizer = new OptimizerOptions { Lr = 1 },
        };
        Assert.Equal(shape, RecipeFile.Parse<PretrainRecipe>(RecipeFile.ToYaml(recipe), "again.yaml").Model);
    }

    [Fact]
    public void Left_out_keys_give_gpt_3()
    {
        var config = new ModelShape { HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 16 }.ToConfig(300).Resolved();
        var plain = new ModelConfig { VocabSize = 300, HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 2, MaxPositionEmbeddings = 16, InitializerRange = config.InitializerRange };
        Assert.Equal(plain.Resolved(), config);
    }

    [Theory]
    [InlineData("gated_mlp: true", "gated_mlp: yes", "gated_mlp is \"yes\"; expected true or false")]
    [InlineData("hidden_act: silu", "hidden_act: relu", "hidden_act is \"relu\"; expected one of gelu_tanh, gelu, silu")]
    [InlineData("sliding_window: 256", "rope_scaling: {factor: 2}", "no \"model.rope_scaling.rope_type\"")]
    public void Mistakes_are_named(string was, string now, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<PretrainRecipe>(Documented().Replace(was, now) + Rest, "r.yaml")).Message);

    /// <summary>The YAML of docs/model-families.md.</summary>
    private static string Documented()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "model-families.md"));
        var from = text.IndexOf("```yaml", StringComparison.Ordinal) + 8;
        return text[from..text.IndexOf("```", from, StringComparison.Ordinal)];
    }

    private string In(string name) => Path.Combine(root, name);
}
