using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model.Tests;

public sealed class AdapterFolderTests : IDisposable
{
    private static readonly ModelConfig Llama = TestModels.TinyLlama with { VocabSize = 270, SlidingWindow = null };

    private readonly string root = Directory.CreateTempSubdirectory("gpt35-adapter-").FullName;
    private readonly Tokenizer tokenizer = BpeTrainer.Train(["the cat sat on the mat, the cat sat"], new BpeTrainerOptions { VocabSize = 270 });

    public AdapterFolderTests()
    {
        using var plain = TestModels.Shaken(Llama);
        ModelFolder.Save(In("base"), plain, tokenizer, new ModelCard { Stage = "pretrain" });
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void An_adapter_comes_back_bit_for_bit_with_its_head_and_the_base_it_names(int scalars)
    {
        using var model = Save("adapter", scalars);
        using var loaded = ModelFolder.Load(In("adapter"), WorkerPool.Shared);
        Assert.Equal(model.Parameters.Values.ToArray(), loaded.Model.Parameters.Values.ToArray());
        Assert.Equal(scalars > 0, loaded.Model.Parameters.Contains("base_model.model.score.weight"));
        Assert.Equal(scalars, loaded.Model.Config.NumScalars);
        Assert.Equal(model.Weights.Values.ToArray(), loaded.Model.Weights.Values.ToArray());
        Assert.True(model.Adapter!.Lora.IsSameAs(loaded.Model.Adapter!.Lora));
        Assert.Equal("sft", loaded.Card.Stage);
        Assert.Equal(scalars, ModelFolder.LoadCard(In("adapter")).Config.NumScalars);
    }

    [Fact]
    public void An_adapter_over_a_base_that_is_in_memory_shares_its_weights()
    {
        using (Save("adapter", 1)) { }
        using var shared = ModelFolder.Load(In("base"), WorkerPool.Shared);
        using var loaded = ModelFolder.Load(In("adapter"), WorkerPool.Shared, (shared.Model, In("base")));
        Assert.Same(shared.Model.Weights, loaded.Model.Weights);
        using var elsewhere = ModelFolder.Load(In("adapter"), WorkerPool.Shared, (shared.Model, In("another")));
        Assert.NotSame(shared.Model.Weights, elsewhere.Model.Weights);
    }

    [Theory]
    [InlineData(WeightPrecision.F32)]
    [InlineData(WeightPrecision.BF16)]
    [InlineData(WeightPrecision.Int8)]
    [InlineData(WeightPrecision.Int4)]
    public void An_adapter_is_read_for_a_base_that_is_there_in_any_precision(WeightPrecision precision)
    {
        using var model = Save("adapter", 0);
        using var original = ModelFolder.Load(In("base"), WorkerPool.Shared, precision);
        using var adapter = AdapterFolder.Load(In("adapter"), original.Model);
        Assert.Equal(model.Parameters.Values.ToArray(), adapter.Parameters.Values.ToArray());
        Assert.Equal(In("base"), adapter.BasePath);
        using var folder = AdapterFolder.LoadOver(In("adapter"), original);
        Assert.Same(original.Model.Weights, folder.Model.Weights);
        Assert.Equal(precision, folder.Model.Precision);
        Assert.Equal("sft", folder.Card.Stage);
        Assert.NotSame(original.Tokenizer, folder.Tokenizer);

        using var cache = new KvCache(Llama, 2);
        var logits = new float[4 * Llama.VocabSize];
        var batch = new ExtendBatch();
        for (var i = 0; i < 2; i++)
        {
            var sequence = new KvSequence(12);
            sequence.Append(i);
            batch.Add(sequence, [1, 2, 3], 2, i == 1 ? adapter : null);
        }
        original.Model.Extend(cache, batch, logits);
        using var alone = new SlotCache(Llama, 1, 12);
        var expected = new float[Llama.VocabSize];
        folder.Model.Extend(alone, [0], [0, 3], [1, 2, 3], expected);
        Assert.Equal(expected, logits[^Llama.VocabSize..]);

        foreach (var file in (string[])["tokenizer.json", "gpt35.json"]) File.Delete(Path.Combine(In("adapter"), file));
        using var bare = AdapterFolder.LoadOver(In("adapter"), original);
        Assert.Equal(("pretrain", original.Tokenizer), (bare.Card.Stage, bare.Tokenizer));
    }

    [Fact]
    public void What_is_no_adapter_for_that_base_is_refused_with_the_reason()
    {
        using var adapted = Save("adapter", 0);
        using var original = ModelFolder.Load(In("base"), WorkerPool.Shared, WeightPrecision.Int8);
        Assert.Contains("no adapter_config.json", Refusal(In("base"), original.Model));
        Assert.Contains("no adapter_config.json", Refusal(In("nothing"), original.Model));
        Assert.Contains("is adapted itself", Refusal(In("adapter"), adapted));
        using var wide = TestModels.Shaken(Llama with { HiddenSize = 12 });
        Assert.Contains("expected [2, 12]. Does the adapter belong to another base?", Refusal(In("adapter"), wide));
        using var gpt = TestModels.Shaken(TestModels.Tiny);
        Assert.Contains("which its base does not have", Refusal(In("adapter"), gpt));

        static string Refusal(string folder, Decoder over) => Assert.Throws<InvalidDataException>(() => AdapterFolder.Load(folder, over)).Message;
    }

    [Fact]
    public void Another_base_than_the_one_that_is_named_is_told()
    {
        using (Save("adapter", 0)) { }
        Directory.CreateDirectory(In("other"));
        Assert.Null(AdapterFolder.OtherBase(In("adapter"), In("base")));
        Assert.Null(AdapterFolder.OtherBase(In("adapter"), In("base") + "/"));
        Assert.Equal(In("base"), AdapterFolder.OtherBase(In("adapter"), In("other")));
        Name("../base");
        Assert.Null(AdapterFolder.OtherBase(In("adapter"), In("base")));
        Assert.Equal("../base", AdapterFolder.OtherBase(In("adapter"), In("other")));
        Name("meta-llama/other");                                                                   // a hub's name, by its last part
        Assert.Null(AdapterFolder.OtherBase(In("adapter"), In("other")));
        Assert.Equal("meta-llama/other", AdapterFolder.OtherBase(In("adapter"), In("base")));
        Name(null);
        Assert.Null(AdapterFolder.OtherBase(In("adapter"), In("other")));

        void Name(string? path)
        {
            var config = JsonNode.Parse(File.ReadAllText(Path.Combine(In("adapter"), "adapter_config.json")))!;
            config["base_model_name_or_path"] = path;
            File.WriteAllText(Path.Combine(In("adapter"), "adapter_config.json"), config.ToJsonString());
        }
    }

    [Fact]
    public void What_peft_writes_for_llama_is_read()
    {
        // As peft saves it: modules by their last name, more settings than concern us, tensors in alphabetical order, half precision.
        Directory.CreateDirectory(In("peft"));
        File.WriteAllText(Path.Combine(In("peft"), "adapter_config.json"), $$"""
            {"alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": {{JsonValue.Create(In("base"))!.ToJsonString()}}, "bias": "none", "fan_in_fan_out": false,
             "inference_mode": true, "init_lora_weights": true, "layers_pattern": null, "lora_alpha": 32, "lora_dropout": 0.05, "modules_to_save": null,
             "peft_type": "LORA", "r": 2, "rank_pattern": {}, "revision": null, "target_modules": ["v_proj", "q_proj"], "task_type": "CAUSAL_LM", "use_dora": false, "use_rslora": false}
            """);
        var tensors = new SortedDictionary<string, int[]>(StringComparer.Ordinal);
        foreach (var layer in (int[])[0, 1])
            foreach (var (name, columns) in ((string, int)[])[("q_proj", 24), ("v_proj", 12)])
            {
                tensors[$"base_model.model.model.layers.{layer}.self_attn.{name}.lora_A.weight"] = [2, 8];
                tensors[$"base_model.model.model.layers.{layer}.self_attn.{name}.lora_B.weight"] = [columns, 2];
            }
        WriteHalves(Path.Combine(In("peft"), "adapter_model.safetensors"), tensors);
        using var loaded = ModelFolder.Load(In("peft"), WorkerPool.Shared);
        Assert.Equal([LoraTarget.Q, LoraTarget.V], loaded.Model.Adapter!.Lora.Targets);
        Assert.Equal(16, loaded.Model.Adapter.Lora.Scale);
        Assert.All(loaded.Model.Parameters.Values.ToArray(), value => Assert.Equal(0.5f, value));
        Assert.Equal("the cat", loaded.Tokenizer.Decode(loaded.Tokenizer.Encode("the cat")));       // the base's, as the folder has none
    }

    public static TheoryData<string, string, string> Mistakes => new()
    {
        { "\"LORA\"", "\"IA3\"", "peft_type is \"IA3\"" },
        { "\"r\": 2", "\"r\": 3", "expected [3, 8]" },
        { "\"r\": 2", "\"r\": 0", "lora.rank is 0" },
        { "\"bias\": \"none\"", "\"bias\": \"all\"", "bias is \"all\"" },
        { "self_attn.q_proj", "self_attn.w_proj", "\"self_attn.w_proj\", which its base does not have" },
        { "\"self_attn.q_proj\",", "", "is nothing that adapter_config.json speaks of" },
        { "self_attn.q_proj", "mlp.down_proj", "no tensor \"base_model.model.model.layers.0.mlp.down_proj.lora_A.weight\"" },
        { "{", "[", "adapter_config.json:" },
        { "\"lora_alpha\": 3", "\"lora_alpha\": 3, \"use_dora\": true", "use_dora is true" },
        { "\"lora_alpha\": 3", "\"lora_alpha\": 3, \"rank_pattern\": {\"q_proj\": 9}", "rank_pattern gives modules a rank" },
    };

    [Theory, MemberData(nameof(Mistakes))]
    public void A_mistake_in_the_configuration_is_named(string was, string now, string message)
    {
        using (Save("adapter", 0)) { }
        var path = Path.Combine(In("adapter"), "adapter_config.json");
        var text = File.ReadAllText(path);
        Assert.Contains(was, text);
        File.WriteAllText(path, was == "{" ? now + text[1..] : text.Replace(was, now));
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => ModelFolder.Load(In("adapter"), WorkerPool.Shared)).Message);
    }

    [Fact]
    public void A_base_that_is_not_there_is_named_with_what_to_do()
    {
        using (Save("adapter", 0)) { }
        Directory.Move(In("base"), In("moved"));
        var error = Assert.Throws<DirectoryNotFoundException>(() => ModelFolder.Load(In("adapter"), WorkerPool.Shared));
        Assert.Contains(In("base"), error.Message);
        Assert.Contains("merge-lora", error.Message);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(In("adapter"), "adapter_config.json")))!;
        config["base_model_name_or_path"] = "../moved";
        File.WriteAllText(Path.Combine(In("adapter"), "adapter_config.json"), config.ToJsonString());
        using var loaded = ModelFolder.Load(In("adapter"), WorkerPool.Shared);                      // relative to the adapter's own folder
        Assert.Equal(Llama.HiddenSize, loaded.Model.Config.HiddenSize);
    }

    [Fact]
    public void An_adapter_is_no_model_to_convert()
    {
        using (Save("adapter", 0)) { }
        Assert.Contains("merge-lora", Assert.Throws<InvalidDataException>(() => StoredModel.Open(In("adapter"))).Message);
    }

    private string In(string name) => Path.Combine(root, name);

    private Decoder Save(string name, int scalars)
    {
        using var folder = ModelFolder.Load(In("base"), WorkerPool.Shared);
        var model = folder.Model.Adapt(new LoraConfig { Rank = 2, Alpha = 3, Targets = [LoraTarget.Q, LoraTarget.V, LoraTarget.Gate] }, scalars, seed: 7, In("base"));
        var values = model.Parameters.Values;
        for (var i = 0; i < values.Length; i++) values[i] += 0.25f * CounterRandom.Normal(3, (ulong)i);
        ModelFolder.Save(In(name), model, tokenizer, new ModelCard { Stage = "sft" });
        return model;
    }

    /// <summary>A safetensors file of F16 tensors that are 0.5 everywhere.</summary>
    private static void WriteHalves(string path, SortedDictionary<string, int[]> tensors)
    {
        var (header, at) = (new JsonObject(), 0);
        foreach (var (name, shape) in tensors)
        {
            var bytes = 2 * shape[0] * shape[1];
            header[name] = new JsonObject { ["dtype"] = "F16", ["shape"] = new JsonArray(shape[0], shape[1]), ["data_offsets"] = new JsonArray(at, at + bytes) };
            at += bytes;
        }
        var text = Encoding.UTF8.GetBytes(header.ToJsonString());
        var file = new byte[8 + text.Length + at];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        text.CopyTo(file, 8);
        for (var i = 8 + text.Length; i < file.Length; i += 2) BinaryPrimitives.WriteHalfLittleEndian(file.AsSpan(i), (Half)0.5f);
        File.WriteAllBytes(path, file);
    }
}
