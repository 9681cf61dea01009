using System.Text;
using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model.Tests;

public sealed class GgufTests : FormatTests
{
    [Fact]
    public void Metadata_of_every_type_comes_back()
    {
        var metadata = new GgufMetadata("m.gguf");
        object[] values =
        [
            (byte)200, (sbyte)-100, (ushort)60000, (short)-30000, 4_000_000_000u, -2_000_000_000, 1.5f, true, "Grüße 🦊", 1UL << 63, long.MinValue, Math.PI,
            new byte[] { 1, 2 }, new sbyte[] { -1 }, new ushort[] { 3 }, new short[] { -3 }, new uint[] { 4 }, new[] { -4 }, new[] { 0.5f, -0f }, new[] { true, false }, new[] { "", "a" },
            new ulong[] { 5 }, new long[] { -5 }, new[] { 0.1 }, Array.Empty<string>(), new Array[] { new[] { 1, 2 }, new[] { "x" } },
        ];
        foreach (var (i, value) in values.Index()) metadata.Add($"key.{i}", value);
        using (var stream = File.Create(At("m.gguf"))) GgufWriter.Write(stream, metadata, [], TensorType.F32, (_, _) => { });
        using var file = GgufFile.Open(At("m.gguf"));
        Assert.Equal(metadata.All.Select(pair => pair.Key), file.Metadata.All.Select(pair => pair.Key));
        foreach (var (i, (_, found)) in file.Metadata.All.Index())
        {
            Assert.Equal(values[i].GetType(), found.GetType());
            Assert.Equal(values[i], found);
        }
        Assert.Equal((200, -30000, "Grüße 🦊", true, 1.5), (file.Metadata.Integer("key.0"), file.Metadata.Integer("key.3"), file.Metadata.Text("key.8"), file.Metadata.TryFlag("key.7"), file.Metadata.TryNumber("key.6")));
        Assert.Contains("key.9", Assert.Throws<InvalidDataException>(() => file.Metadata.Integer("key.9")).Message);
        Assert.Contains("an array of 2", Assert.Throws<InvalidDataException>(() => file.Metadata.Text("key.18")).Message);
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "magic", "does not begin with" }, { "version 1", "version 1" }, { "big endian", "big-endian" }, { "tensor count", "tensors" }, { "key count", "metadata values" },
        { "key length", "bytes" }, { "array length", "numbers of" }, { "string array length", "strings of" }, { "deep arrays", "deep" }, { "value type", "type 13" },
        { "flag", "0 or 1" }, { "key twice", "second time" }, { "alignment 0", "alignment is 0" }, { "alignment 3", "alignment is 3" }, { "alignment huge", "alignment is 2147483647" },
        { "alignment text", "alignment" }, { "dimensions", "5 dimensions" }, { "shape", "2^63" }, { "type", "Q4_K" }, { "unknown type", "number 99" }, { "unaligned", "a multiple of 32" },
        { "outside", "all tensors inside the file" }, { "overlap", "inside \"a\"" }, { "twice", "second time" }, { "rows", "a multiple of 32" }, { "cut", "end of the file" },
    };

    [Theory, MemberData(nameof(Damages))]
    public void A_damaged_file_is_refused(string damage, string named)
    {
        var w = new Bytes();
        w.Add(damage == "magic" ? "GGML"u8 : "GGUF"u8);
        w.Number(damage switch { "version 1" => 1u, "big endian" => 0x03000000u, _ => 3u });
        var tensors = damage is "overlap" or "twice" ? 2UL : damage == "tensor count" ? 1UL << 60 : 1;
        w.Number(tensors);
        w.Number(damage switch { "key count" => ulong.MaxValue, "key twice" => 2, _ => 1UL });
        for (var i = 0; i < (damage == "key twice" ? 2 : 1); i++)
        {
            if (damage == "key length") w.Number(1UL << 40);
            w.Text(damage.StartsWith("alignment", StringComparison.Ordinal) ? "general.alignment" : "k");
            switch (damage)
            {
                case "array length": w.Number(9u); w.Number(10u); w.Number(1UL << 50); break;
                case "string array length": w.Number(9u); w.Number(8u); w.Number(1UL << 50); break;
                case "deep arrays": w.Number(9u); for (var depth = 0; depth < 40; depth++) { w.Number(9u); w.Number(1UL); } break;
                case "value type": w.Number(13u); break;
                case "flag": w.Number(7u); w.Add([2]); break;
                case "alignment text": w.Number(8u); w.Text("32"); break;
                default: w.Number(4u); w.Number(damage switch { "alignment 0" => 0u, "alignment 3" => 3u, "alignment huge" => int.MaxValue, _ => 32u }); break;
            }
        }
        for (var i = 0; i < 2; i++)
        {
            w.Text(damage == "twice" || i == 0 ? "a" : "b");
            if (damage == "dimensions") w.Number(5u);
            else w.Number(2u);
            w.Number(damage == "rows" ? 40UL : 32UL);
            w.Number(damage == "shape" ? 1UL << 62 : 2UL);
            w.Number(damage switch { "type" => 12u, "unknown type" => 99u, "rows" => 8u, _ => 0u });
            w.Number(damage switch { "unaligned" => 4UL, "outside" => 1UL << 62, "overlap" => 32UL * (ulong)i, _ => 256UL * (ulong)i });
            if (tensors == 1) break;
        }
        if (damage == "cut") w.Cut(20);
        else w.Add(new byte[1000]);
        File.WriteAllBytes(At("m.gguf"), w.ToArray());
        var message = Assert.Throws<InvalidDataException>(() => GgufFile.Open(At("m.gguf"))).Message;
        Assert.StartsWith(At("m.gguf"), message);
        Assert.Contains(named, message);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("llama, tied, biases")]
    [InlineData("llama, wide heads, linear")]
    [InlineData("llama, yarn")]
    [InlineData("llama 3.1")]
    [InlineData("mistral")]
    public void A_model_comes_back_bit_for_bit(string name)
    {
        var card = new ModelCard { Stage = "sft", ChatFormat = "chatml", EndOfTurn = SpecialTokens.ImEnd, Parents = ["base"] };
        var folder = SaveFolder(Models[name], card: card);
        Convert(folder, At("m.gguf"), ModelFormat.Gguf);
        Convert(At("m.gguf"), At("back"), ModelFormat.HuggingFace);
        Assert.Equal(Directory.GetFiles(folder).Select(file => Path.GetFileName(file)!).Order(), Directory.GetFiles(At("back")).Select(file => Path.GetFileName(file)!).Order());
        foreach (var file in Directory.GetFiles(folder)) Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(At("back", Path.GetFileName(file))));
    }

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    public void What_is_quantised_once_stays_as_it_is(TensorType type)
    {
        Convert(SaveFolder(Llama), At("m.gguf"), ModelFormat.Gguf, type);
        Directory.CreateDirectory(At("through"));
        Convert(At("m.gguf"), At("through", "folder"), ModelFormat.HuggingFace, TensorType.F32);
        Convert(At("through", "folder"), At("through", "m.gguf"), ModelFormat.Gguf, type);
        Assert.Equal(File.ReadAllBytes(At("m.gguf")), File.ReadAllBytes(At("through", "m.gguf")));
        using var file = GgufFile.Open(At("m.gguf"));
        Assert.Equal((TensorType.F32, type), (file.Tensors["blk.0.attn_norm.weight"].Type, file.Tensors["blk.0.attn_q.weight"].Type));
    }

    [Fact]
    public void Names_shapes_and_keys_are_those_of_llama_cpp()
    {
        Convert(SaveFolder(Llama), At("llama.gguf"), ModelFormat.Gguf);
        using (var file = GgufFile.Open(At("llama.gguf")))
        {
            Assert.Equal("F32 [16, 32]", file.Tensors["blk.1.attn_k.weight"].ToString());
            Assert.Equal("F32 [272, 32]", file.Tensors["output.weight"].ToString());
            Assert.Equal(("llama", 12, 32, 2, 64, 4, 2, 500_000.0), (file.Metadata.Text("general.architecture"), file.Metadata.Integer("llama.context_length"), file.Metadata.Integer("llama.embedding_length"),
                file.Metadata.Integer("llama.block_count"), file.Metadata.Integer("llama.feed_forward_length"), file.Metadata.Integer("llama.attention.head_count"),
                file.Metadata.Integer("llama.attention.head_count_kv"), file.Metadata.TryNumber("llama.rope.freq_base")));
            var tokens = file.Metadata.Array<string>("tokenizer.ggml.tokens");
            Assert.Equal((272, "[PAD271]", 5), (tokens.Length, tokens[271], file.Metadata.Array<int>("tokenizer.ggml.token_type")[271]));
            Assert.Equal(("gpt2", "gpt-2"), (file.Metadata.Text("tokenizer.ggml.model"), file.Metadata.Text("tokenizer.ggml.pre")));
        }
        Convert(SaveFolder(Gpt2, "g"), At("gpt2.gguf"), ModelFormat.Gguf);
        using (var file = GgufFile.Open(At("gpt2.gguf")))
        {
            Assert.Equal("F32 [96, 32]", file.Tensors["blk.0.attn_qkv.weight"].ToString());
            Assert.Equal("F32 [12, 32]", file.Tensors["position_embd.weight"].ToString());
            Assert.DoesNotContain("output.weight", file.Tensors.Keys);
        }
    }

    [Fact]
    public void Llama_3_1s_scaling_is_recognised_by_its_factors()
    {
        // As converters of llama.cpp write it: the factors alone. By hand: short waves stay, long ones are stretched by 8.
        var config = Llama with { RopeScaling = new RopeScaling { RopeType = RopeType.Llama3, Factor = 8, OriginalMaxPositionEmbeddings = 8192, LowFreqFactor = 1, HighFreqFactor = 4 } };
        var factors = new float[4];
        GgufRope.Factors(config.Resolved(), factors);
        Assert.Equal((1f, 8f), (factors[0], factors[3]));                    // wavelengths 6.3 and 118,000 of 8192
        Convert(SaveFolder(config), At("m.gguf"), ModelFormat.Gguf);
        using var file = GgufFile.Open(At("m.gguf"));
        var others = new GgufMetadata("m.gguf");
        foreach (var (key, value) in file.Metadata.All.Where(pair => !pair.Key.StartsWith("gpt35.rope", StringComparison.Ordinal))) others.Add(key, value);
        var parts = TensorNames.GgufLlama(config).Append(GgufRope.FactorPart(config.Resolved())!).ToArray();
        using (var stream = File.Create(At("others.gguf")))
            GgufWriter.Write(stream, others, parts, TensorType.F32, (parameter, values) => { if (parameter.Name == GgufRope.FactorTensor) GgufRope.Factors(config.Resolved(), values); });
        using var stored = StoredModel.Open(At("others.gguf"));
        Assert.Equal(config.Resolved(), stored.Config);
    }

    [Theory]
    [InlineData("gpt2, exact gelu, untied", "GELU")]
    [InlineData("gpt2 with a scalar head", "scalar head")]
    [InlineData("a mix", "LayerNorm")]
    public void What_llama_cpp_would_run_otherwise_is_refused(string name, string named)
    {
        var folder = SaveFolder(Models[name]);
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => Convert(folder, At("m.gguf"), ModelFormat.Gguf)).Message);
        Assert.False(File.Exists(At("m.gguf")));
    }

    [Theory]
    [InlineData("r50k_base")]
    [InlineData("cl100k_base")]
    public void Known_vocabularies_keep_their_ids(string name)
    {
        var tokenizer = Tokenizer.Load(name);
        var metadata = new GgufMetadata("m.gguf");
        GgufTokenizer.Write(metadata, tokenizer, tokenizer.VocabSize + 3, null, null);
        var back = GgufTokenizer.Read("m.gguf", metadata);
        const string Text = "Hello, it's 2023: don't   panic! \n\n 12345 Grüße <|endoftext|>";
        Assert.Equal(tokenizer.Encode(Text), back.Encode(Text));
        Assert.Equal(tokenizer.VocabSize, back.VocabSize);
        Assert.Equal(tokenizer.SpecialTokens.OrderBy(token => token.Value), back.SpecialTokens.OrderBy(token => token.Value));
        Assert.Equal(name == "cl100k_base" ? "llama-bpe" : "gpt-2", metadata.Text("tokenizer.ggml.pre"));
    }

    [Fact]
    public void Another_context_cuts_or_interpolates_learned_positions_and_stretches_rotary_ones()
    {
        var gpt2 = SaveFolder(Gpt2, "gpt2");
        var rows = Positions(gpt2);                                          // (12, 32)
        Convert(gpt2, At("short"), ModelFormat.HuggingFace, context: 5);
        Assert.Equal(rows[..(5 * 32)], Positions(At("short")));
        Convert(gpt2, At("long"), ModelFormat.HuggingFace, context: 23);     // a row between each two
        var longer = Positions(At("long"));
        Assert.Equal(rows[32..64], longer[64..96]);
        for (var j = 0; j < 32; j++) Assert.Equal((rows[32 + j] + rows[64 + j]) / 2, longer[96 + j], 1e-6f);

        Convert(SaveFolder(Llama, "llama"), At("llama.gguf"), ModelFormat.Gguf, context: 24);
        using var llama = StoredModel.Open(At("llama.gguf"));
        Assert.Equal((24, RopeType.Yarn, 2.0, 12), (llama.Config.MaxPositionEmbeddings, llama.Config.RopeScaling!.RopeType, llama.Config.RopeScaling.Factor, llama.Config.RopeScaling.OriginalMaxPositionEmbeddings));
        Assert.Contains("stretched already", Assert.Throws<InvalidDataException>(() => ModelExport.Write(llama, At("more"), ModelFormat.HuggingFace, TensorType.F32, context: 48)).Message);
    }

    private static float[] Positions(string folder)
    {
        using var loaded = ModelFolder.Load(folder, WorkerPool.Shared);
        return loaded.Model.Parameters.ValuesOf(loaded.Model.Parameters["wpe.weight"]).ToArray();
    }

    private sealed class Bytes
    {
        private readonly MemoryStream stream = new();
        public void Add(ReadOnlySpan<byte> bytes) => stream.Write(bytes);
        public void Number(uint number) => stream.Write(BitConverter.GetBytes(number));
        public void Number(ulong number) => stream.Write(BitConverter.GetBytes(number));
        public void Text(string text)
        {
            Number((ulong)text.Length);
            Add(Encoding.UTF8.GetBytes(text));
        }
        public void Cut(int bytes) => stream.SetLength(stream.Length - bytes);
        public byte[] ToArray() => stream.ToArray();
    }
}
