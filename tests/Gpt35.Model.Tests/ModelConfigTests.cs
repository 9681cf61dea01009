using System.Text.Json;

namespace Gpt35.Model.Tests;

public sealed class ModelConfigTests
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static TheoryData<int> MixedSeeds => TestModels.MixedSeeds;

    [Theory, MemberData(nameof(MixedSeeds))]
    public void Every_mix_survives_json(int seed)
    {
        var config = TestModels.Mixed(seed).Resolved();
        Assert.Equal(config, JsonSerializer.Deserialize<ModelConfig>(JsonSerializer.Serialize(config, Json), Json));
    }

    [Fact]
    public void A_config_of_before_means_what_it_meant()
    {
        var config = JsonSerializer.Deserialize<ModelConfig>("""
            { "model_type": "gpt2", "activation_function": "gelu_new", "tie_word_embeddings": true, "vocab_size": 50257, "hidden_size": 768,
              "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 1024, "intermediate_size": 3072 }
            """, Json)!;
        Assert.Equal((PositionEncoding.Learned, Normalization.LayerNorm, Activation.GeluTanh, false), (config.PositionEncoding, config.Normalization, config.HiddenAct, config.GatedMlp));
        Assert.True(config is { AttentionBias: true, MlpBias: true, TieWordEmbeddings: true, NumKeyValueHeads: 12, HeadDim: 64, SlidingWindow: null });
    }

    [Fact]
    public void Keys_and_values_are_those_of_Hugging_Face()
    {
        var text = JsonSerializer.Serialize(TestModels.TinyLlama with { RopeScaling = new RopeScaling { RopeType = RopeType.Llama3, Factor = 8 } }, Json);
        foreach (var part in (string[])["\"hidden_act\":\"silu\"", "\"num_key_value_heads\":2", "\"head_dim\":6", "\"sliding_window\":5", "\"rope_theta\":10000",
                     "\"rope_type\":\"llama3\"", "\"original_max_position_embeddings\"", "\"low_freq_factor\":1", "\"tie_word_embeddings\":false", "\"attention_bias\":false"])
            Assert.Contains(part, text);
        Assert.Contains("\"hidden_act\":\"gelu_new\"", JsonSerializer.Serialize(TestModels.Tiny, Json));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ModelConfig>(text.Replace("silu", "relu6"), Json));
    }

    [Fact]
    public void Windows_lie_where_the_pattern_says()
    {
        var config = TestModels.Tiny with { NumHiddenLayers = 6, SlidingWindow = 4 };
        int[] Windows(int pattern) => [.. Enumerable.Range(0, 6).Select((config with { SlidingWindowPattern = pattern }).WindowOf)];
        Assert.Equal([4, 4, 4, 4, 4, 4], Windows(0));
        Assert.Equal([4, 0, 4, 0, 4, 0], Windows(2));
        Assert.Equal([4, 4, 0, 4, 4, 0], Windows(3));
        Assert.Equal(0, TestModels.Tiny.WindowOf(0));
    }

    public static TheoryData<string, ModelConfig> Contradictions => new()
    {
        { "num_key_value_heads 3", TestModels.TinyLlama with { NumKeyValueHeads = 3 } },
        { "head_dim is 5", TestModels.TinyLlama with { HeadDim = 5 } },
        { "head_dim is -2", TestModels.TinyLlama with { HeadDim = -2 } },
        { "not a multiple of num_attention_heads 3", TestModels.Tiny with { NumAttentionHeads = 3 } },
        { "sliding_window is 0", TestModels.Tiny with { SlidingWindow = 0 } },
        { "no sliding_window", TestModels.Tiny with { SlidingWindowPattern = 2 } },
        { "sliding_window_pattern is 1", TestModels.Tiny with { SlidingWindow = 3, SlidingWindowPattern = 1 } },
        { "only rotary positions are scaled", TestModels.Tiny with { RopeScaling = new RopeScaling { RopeType = RopeType.Linear, Factor = 2 } } },
        { "rope_theta is 0", TestModels.TinyLlama with { RopeTheta = 0 } },
        { "rope_theta is NaN", TestModels.TinyLlama with { RopeTheta = double.NaN } },
        { "rope_scaling.factor is 0.5", TestModels.TinyLlama with { RopeScaling = new RopeScaling { RopeType = RopeType.Linear, Factor = 0.5 } } },
        { "beta_fast 1", TestModels.TinyLlama with { RopeScaling = new RopeScaling { RopeType = RopeType.Yarn, BetaFast = 1, BetaSlow = 1 } } },
        { "low_freq_factor 5", TestModels.TinyLlama with { RopeScaling = new RopeScaling { RopeType = RopeType.Llama3, LowFreqFactor = 5 } } },
        { "attention_factor is 0", TestModels.TinyLlama with { RopeScaling = new RopeScaling { RopeType = RopeType.Yarn, AttentionFactor = 0 } } },
        { "wider than", TestModels.TinyLlama with { NumAttentionHeads = 1 << 20, NumKeyValueHeads = 1 << 20, HeadDim = 1 << 20 } },
    };

    [Theory, MemberData(nameof(Contradictions))]
    public void Contradictions_are_named(string named, ModelConfig config) =>
        Assert.Contains(named, Assert.Throws<InvalidDataException>(config.Validate).Message);
}
