using Gpt35.Kernels;
using Gpt35.Tests;

namespace Gpt35.Model.Tests;

public sealed class Llama2CTests : FormatTests
{
    private const string Story =
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n" +
        "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. She said, \"I want to play with your ball, but I can't find it.\"\n" +
        "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to do.\"\n" +
        "Lily didn't want to help her mom, so she";

    [Fact]
    public void The_real_model_tells_its_story_as_it_is_and_through_every_format()
    {
        var (model, tokenizer) = (SharedData.Require("models/stories260K.bin"), SharedData.Require("models/tok512.bin"));
        Convert(model, At("folder"), ModelFormat.HuggingFace, tokenizer: tokenizer);
        Convert(At("folder"), At("m.gguf"), ModelFormat.Gguf);
        Convert(At("m.gguf"), At("back"), ModelFormat.HuggingFace);
        Convert(At("back"), At("again", "m.gguf"), ModelFormat.Gguf);
        foreach (var path in (string[])[model, At("folder"), At("m.gguf"), At("back")])
        {
            using var loaded = ModelFolder.Load(path, WorkerPool.Shared);
            int begin = loaded.Tokenizer.StartOfText;
            Assert.Equal(1, begin);
            Assert.Equal(Story, loaded.Tokenizer.Decode(Greedy(loaded.Model, [begin], 200)));
        }
        foreach (var file in (string[])["model.safetensors", "config.json", "tokenizer.model"])
            Assert.Equal(File.ReadAllBytes(At("folder", file)), File.ReadAllBytes(At("back", file)));
        Assert.Equal(File.ReadAllBytes(At("m.gguf")), File.ReadAllBytes(At("again", "m.gguf")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Tensors_are_found_where_the_format_puts_them(bool tied)
    {
        // dim 8, hidden 12, 2 layers, 2 heads of 4, 1 key/value head, 300 tokens, context 6; every number is its own place in the file.
        WriteModel(At("m.bin"), [8, 12, 2, 2, 1, tied ? 300 : -300, 6], out var floats);
        WriteTokenizer(At("tok300.bin"));
        using var stored = StoredModel.Open(At("m.bin"));
        Assert.Equal((tied, 6, 4, 12), (stored.Config.TieWordEmbeddings, stored.Config.MaxPositionEmbeddings, stored.Config.HeadDim, stored.Config.IntermediateSize));
        using var model = stored.Load(WorkerPool.Shared);
        float At1(string name, int index) => model.Parameters.ValuesOf(model.Parameters[name])[index];

        int norms = 300 * 8, q = norms + 16, k = q + 2 * 64, v = k + 2 * 32, o = v + 2 * 32, norms2 = o + 2 * 64, w1 = norms2 + 16, w2 = w1 + 2 * 96, w3 = w2 + 2 * 96, final = w3 + 2 * 96;
        Assert.Equal(norms + 8, At1("h.1.ln_1.weight", 0));
        Assert.Equal(norms2 + 8 + 3, At1("h.1.ln_2.weight", 3));
        Assert.Equal(final + 7, At1("ln_f.weight", 7));
        // Layer 1, input 5. Pairs are neighbours there and half a head apart here: outputs 0 1 2 3 of a head become 0 2 1 3.
        Assert.Equal([q + 64 + 0 * 8 + 5, q + 64 + 2 * 8 + 5, q + 64 + 1 * 8 + 5, q + 64 + 3 * 8 + 5, q + 64 + 4 * 8 + 5, q + 64 + 6 * 8 + 5],
            Enumerable.Range(0, 6).Select(column => (int)At1("h.1.attn.c_attn.weight", 5 * 16 + column)));
        Assert.Equal(k + 32 + 2 * 8 + 5, At1("h.1.attn.c_attn.weight", 5 * 16 + 8 + 1));
        Assert.Equal(v + 32 + 1 * 8 + 5, At1("h.1.attn.c_attn.weight", 5 * 16 + 12 + 1));
        Assert.Equal(o + 64 + 3 * 8 + 5, At1("h.1.attn.c_proj.weight", 5 * 8 + 3));
        Assert.Equal(w1 + 96 + 11 * 8 + 5, At1("h.1.mlp.c_fc.weight", 5 * 24 + 11));
        Assert.Equal(w3 + 96 + 11 * 8 + 5, At1("h.1.mlp.c_fc.weight", 5 * 24 + 12 + 11));
        Assert.Equal(w2 + 96 + 3 * 12 + 5, At1("h.1.mlp.c_proj.weight", 5 * 8 + 3));
        if (!tied) Assert.Equal(floats - 1, At1("lm_head.weight", 300 * 8 - 1));
    }

    [Fact]
    public void A_file_of_another_length_is_no_such_model()
    {
        WriteModel(At("m.bin"), [8, 12, 2, 2, 1, 300, 6], out _);
        WriteTokenizer(At("tok300.bin"));
        File.WriteAllBytes(At("m.bin"), File.ReadAllBytes(At("m.bin"))[..^4]);
        Assert.Contains("neither a GGUF file nor a llama2.c model", Assert.Throws<InvalidDataException>(() => StoredModel.Open(At("m.bin"))).Message);
    }

    [Fact]
    public void Without_a_tokenizer_the_message_says_how_to_name_one()
    {
        WriteModel(At("m.bin"), [8, 12, 2, 2, 1, 300, 6], out _);
        Assert.Contains("--tokenizer", Assert.Throws<InvalidDataException>(() => StoredModel.Open(At("m.bin"))).Message);
    }

    internal static void WriteModel(string path, int[] header, out int floats)
    {
        var (d, f, l, h, g, v, t) = (header[0], header[1], header[2], header[3], header[4], header[5], header[6]);
        floats = Math.Abs(v) * d + l * (2 * d + 2 * d * d + 2 * d * (d / h * g) + 3 * d * f) + d + t * d / h + (v < 0 ? -v * d : 0);
        using var writer = new BinaryWriter(File.Create(path));
        foreach (var number in header) writer.Write(number);
        for (var i = 0; i < floats; i++) writer.Write((float)i);
    }

    internal static void WriteTokenizer(string path, int size = 300)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(8);
        for (var id = 0; id < size; id++)
        {
            var piece = System.Text.Encoding.UTF8.GetBytes(id switch { 0 => "<unk>", 1 => "<s>", 2 => "</s>", < 259 => $"<0x{id - 3:X2}>", _ => $"{(char)('a' + (id - 259) % 26)}{(id - 259) / 26}" });
            writer.Write((float)-id);
            writer.Write(piece.Length);
            writer.Write(piece);
        }
    }
}
