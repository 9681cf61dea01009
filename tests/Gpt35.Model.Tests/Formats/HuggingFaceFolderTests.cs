using System.Text.Json.Nodes;
using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

public sealed class HuggingFaceFolderTests : FormatTests
{
    public static TheoryData<string> AllModels => [.. Models.Keys];

    [Theory, MemberData(nameof(AllModels))]
    public void Every_family_comes_back_bit_for_bit(string name)
    {
        using var model = TestModels.Shaken(Models[name]);
        ModelFolder.Save(At("model"), model, Words, new ModelCard { Stage = "pretrain" });
        using var loaded = ModelFolder.Load(At("model"), WorkerPool.Shared);
        Assert.Equal(Models[name].Resolved(), loaded.Model.Config);
        Assert.Equal(model.Parameters.Values.ToArray(), loaded.Model.Parameters.Values.ToArray());
    }

    [Theory]
    [InlineData("gpt2", "gpt2", "GPT2LMHeadModel", "transformer.h.1.attn.c_attn.weight F32 [32, 96]")]
    [InlineData("llama", "llama", "LlamaForCausalLM", "model.layers.1.self_attn.k_proj.weight F32 [16, 32]")]
    [InlineData("mistral", "mistral", "MistralForCausalLM", "model.layers.0.mlp.down_proj.weight F32 [32, 64]")]
    [InlineData("llama with a scalar head", "llama", "LlamaForSequenceClassification", "score.weight F32 [2, 32]")]
    [InlineData("a mix", "gpt35", null, "h.0.attn.c_attn.weight F32 [32, 96]")]
    public void A_model_of_a_published_family_is_a_folder_of_that_architecture(string name, string type, string? architecture, string tensor)
    {
        var folder = SaveFolder(Models[name]);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        Assert.Equal(type, config["model_type"]!.GetValue<string>());
        Assert.Equal(architecture, config["architectures"]?[0]?.GetValue<string>());
        using var weights = SafetensorsFile.Open(folder);
        Assert.Contains(tensor, weights.Tensors.Select(found => $"{found.Key} {found.Value}"));
    }

    [Fact]
    public void Llamas_projections_are_our_columns_as_rows()
    {
        using var model = TestModels.Shaken(Llama);
        ModelFolder.Save(At("model"), model, Words, new ModelCard { Stage = "pretrain" });
        using var weights = SafetensorsFile.Open(At("model"));
        var qkv = model.Parameters.ValuesOf(model.Parameters["h.1.attn.c_attn.weight"]).ToArray();        // (32, 32 + 16 + 16)
        var up = model.Parameters.ValuesOf(model.Parameters["h.1.mlp.c_fc.weight"]).ToArray();            // (32, 64 + 64)
        foreach (var (name, ours, width, first) in new[]
                 {
                     ("self_attn.q_proj", qkv, 64, 0), ("self_attn.k_proj", qkv, 64, 32), ("self_attn.v_proj", qkv, 64, 48),
                     ("mlp.gate_proj", up, 128, 0), ("mlp.up_proj", up, 128, 64),
                 })
        {
            var tensor = weights.Tensors[$"model.layers.1.{name}.weight"];
            var theirs = new float[tensor.Count];
            tensor.Read(0, theirs);
            for (var output = 0; output < tensor.Shape[0]; output++)
                for (var input = 0; input < 32; input++) Assert.Equal(ours[input * width + first + output], theirs[output * 32 + input]);
        }
    }

    [Fact]
    public void A_downloaded_folder_needs_no_card_no_prefix_and_no_tied_head()
    {
        var expected = Weights(SaveFolder(Gpt2));
        File.Delete(At("model", "gpt35.json"));
        File.Delete(At("model", "generation_config.json"));
        RenameTensors(name => name.Replace("transformer.", ""));             // as the published GPT-2 has them
        Assert.Equal(expected, Weights(At("model")));
        using var loaded = ModelFolder.Load(At("model"), WorkerPool.Shared);
        Assert.Equal(("pretrain", null), (loaded.Card.Stage, loaded.Card.ChatFormat));
    }

    [Fact]
    public void A_folder_of_version_0_1_still_loads()
    {
        var expected = Weights(SaveFolder(Gpt2));
        RenameTensors(name => name.Replace("transformer.", ""));
        File.WriteAllText(At("model", "config.json"), """
            { "model_type": "gpt2", "activation_function": "gelu_new", "tie_word_embeddings": true, "vocab_size": 272, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
              "max_position_embeddings": 12, "intermediate_size": 64, "layer_norm_eps": 1E-05, "resid_dropout": 0.1, "initializer_range": 0.02, "num_scalars": 0 }
            """);
        using var loaded = ModelFolder.Load(At("model"), WorkerPool.Shared);
        Assert.Equal(Gpt2.Resolved(), loaded.Model.Config);
        Assert.Equal(expected, loaded.Model.Parameters.Values.ToArray());
    }

    [Fact]
    public void Published_configurations_are_understood()
    {
        var path = At("config.json");
        ModelConfig Read(string json)
        {
            File.WriteAllText(path, json);
            return HuggingFaceConfig.Read(path);
        }
        var llama = Read("""
            { "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 8, "hidden_act": "silu", "max_position_embeddings": 131072, "initializer_range": 0.02, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "attention_bias": false,
              "mlp_bias": false, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "pretraining_tp": 1,
              "rope_scaling": { "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3" } }
            """);
        Assert.Equal((8, 128, 500_000.0, RopeType.Llama3, 8192, false), (llama.NumKeyValueHeads, llama.HeadDim, llama.RopeTheta, llama.RopeScaling!.RopeType, llama.RopeScaling.OriginalMaxPositionEmbeddings, llama.TieWordEmbeddings));
        var mistral = Read("""
            { "model_type": "mistral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": null,
              "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_parameters": { "rope_type": "default", "rope_theta": 10000.0 }, "sliding_window": 4096 }
            """);
        Assert.Equal((4096, null, 128), (mistral.SlidingWindow, mistral.RopeScaling, mistral.HeadDim));
        var gpt2 = Read("""
            { "activation_function": "gelu_new", "model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_ctx": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": null,
              "resid_pdrop": 0.1, "layer_norm_epsilon": 1e-05, "initializer_range": 0.02 }
            """);
        Assert.Equal((3072, true, Activation.GeluTanh, 124_439_808L), (gpt2.IntermediateSize, gpt2.TieWordEmbeddings, gpt2.HiddenAct, DecoderLayout.Parameters(gpt2).Sum(parameter => parameter.Count)));
    }

    [Theory]
    [InlineData("\"model_type\": \"t5\"", "t5")]
    [InlineData("\"model_type\": \"gpt2\", \"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx")]
    [InlineData("\"model_type\": \"llama\", \"quantization_config\": {}", "quantization_config")]
    [InlineData("\"model_type\": \"llama\", \"vocab_size\": 9, \"hidden_size\": 32.5", "32.5")]
    [InlineData("\"model_type\": \"llama\", \"hidden_size\": 32, \"vocab_size\": 9, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 1e99", "1e99")]
    [InlineData("\"model_type\": \"llama\", \"hidden_size\": 32, \"vocab_size\": 9, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8, \"rope_scaling\": {\"type\": \"dynamic\"}", "dynamic")]
    [InlineData("\"model_type\": \"llama\", \"hidden_size\": 32, \"vocab_size\": 9, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8, \"hidden_act\": \"relu\"", "relu")]
    [InlineData("\"model_type\": \"gpt35\"", "vocab_size")]
    [InlineData("\"model_type\": \"\\ud800\"", "model_type")]
    [InlineData("\"\\ud800\": 3, \"model_type\": \"gpt35\", \"hidden_act\": \"\\ud800\"", "config.json")]
    [InlineData("\"model_type\": \"gpt2\", \"vocab_size\": \"many\"", "n_embd")]
    public void A_configuration_that_is_not_computed_here_is_refused(string json, string named)
    {
        File.WriteAllText(At("config.json"), $"{{ {json} }}");
        var message = Assert.Throws<InvalidDataException>(() => HuggingFaceConfig.Read(At("config.json"))).Message;
        Assert.StartsWith(At("config.json"), message);
        Assert.Contains(named, message);
    }

    [Fact]
    public void A_configuration_that_is_no_text_is_refused()
    {
        File.WriteAllBytes(At("config.json"), [.. "{ \"model_type\": \"a"u8, 0xBF, .. "\" }"u8]);
        Assert.Contains("UTF-8", Assert.Throws<InvalidDataException>(() => HuggingFaceConfig.Read(At("config.json"))).Message);
    }

    [Theory]
    [InlineData("n_layer", 2_000_000_000, "layers")]
    [InlineData("n_embd", 2_000_000_000, "wider")]
    [InlineData("n_embd", 200_000_000, "transformer.wte.weight")]
    [InlineData("vocab_size", 2_000_000_000, "transformer.wte.weight")]
    public void A_wild_configuration_is_refused_before_anything_is_allocated(string key, int value, string named)
    {
        SaveFolder(Gpt2);
        var config = JsonNode.Parse(File.ReadAllText(At("model", "config.json")))!;
        config[key] = value;
        File.WriteAllText(At("model", "config.json"), config.ToJsonString());
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => ModelFolder.Load(At("model"), WorkerPool.Shared)).Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000);
    }

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    public void Half_precision_folders_are_half_as_large_and_come_back_bit_for_bit(TensorType type)
    {
        Convert(SaveFolder(Llama), At("half"), ModelFormat.HuggingFace, type);
        Convert(At("half"), At("whole"), ModelFormat.HuggingFace, TensorType.F32);
        Convert(At("whole"), At("half again"), ModelFormat.HuggingFace, type);
        Assert.Equal(File.ReadAllBytes(At("half", "model.safetensors")), File.ReadAllBytes(At("half again", "model.safetensors")));
        Assert.Equal(Weights(At("half")), Weights(At("whole")));
        Assert.InRange(new FileInfo(At("half", "model.safetensors")).Length, 0.4 * new FileInfo(At("whole", "model.safetensors")).Length, 0.6 * new FileInfo(At("whole", "model.safetensors")).Length);
    }

    [Fact]
    public void A_model_that_does_not_fit_into_memory_is_refused_with_what_would()
    {
        var config = new ModelConfig { VocabSize = 50257, HiddenSize = 12288, NumHiddenLayers = 96, NumAttentionHeads = 96, MaxPositionEmbeddings = 2048 };
        var message = Assert.Throws<InvalidDataException>(() => MemoryCheck.RequireRoom("gpt3", config, available: 16L << 30)).Message;
        Assert.Contains("174.6 billion parameters need 650.5 GiB of memory as F32, and 16.0 GiB are free", message);
        Assert.Contains("up to 4.29 billion parameters", message);
        MemoryCheck.RequireRoom("tiny", Gpt2, available: 1 << 20);
        MemoryCheck.RequireRoom("tiny", Gpt2);                               // this machine has that much
    }

    private void RenameTensors(Func<string, string> rename)
    {
        var config = HuggingFaceConfig.Read(At("model", "config.json"));
        using var loaded = ModelFolder.Load(At("model"), WorkerPool.Shared);
        File.Delete(At("model", "model.safetensors"));
        var parts = TensorNames.HuggingFace(config).Select(part => part with { Name = rename(part.Name) }).ToArray();
        SafetensorsWriter.WriteFile(At("model", "model.safetensors"), parts, TensorType.F32, (parameter, values) => loaded.Model.Parameters.ValuesOf(loaded.Model.Parameters[parameter.Name]).CopyTo(values));
    }
}
