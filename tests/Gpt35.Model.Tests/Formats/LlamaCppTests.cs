using System.Runtime.InteropServices;
using Gpt35.Kernels;
using Gpt35.Tests;
using Gpt35.Tokenization;

namespace Gpt35.Model.Tests;

/// <summary>What we write is what llama.cpp reads. Skipped where Node is absent or the package cannot be had.</summary>
public sealed unsafe class LlamaCppTests : FormatTests
{
    private const string Lesson =
        "The fox's den is under the old oak. Every morning it counts 123 acorns, 7 birds and 1 owl.\n\nThen the fox says: \"We've seen enough!\" and goes back to sleep under the old oak.";

    private const string Sample = "The fox's  morning: 1234567 acorns!\n\n  \"We've\" seen <|endoftext|> Grüße 🦊 x2";

    [Fact]
    public void A_gpt2_family_model_that_was_trained_says_the_same_in_llama_cpp() =>
        SaysTheSame(Gpt2 with { HiddenSize = 64, MaxPositionEmbeddings = 128, ResidDropout = 0 }, PreTokenizer.Gpt2);

    [Fact]
    public void A_llama_family_model_that_was_trained_says_the_same_in_llama_cpp() =>
        SaysTheSame(Llama with { HiddenSize = 64, MaxPositionEmbeddings = 128, TieWordEmbeddings = true }, PreTokenizer.Cl100k);

    [Theory]
    [InlineData(RopeType.Linear)]
    [InlineData(RopeType.Yarn)]
    [InlineData(RopeType.Llama3)]
    public void Stretched_rotary_positions_are_computed_alike(RopeType type) => SaysTheSame(
        Llama with { HiddenSize = 64, MaxPositionEmbeddings = 128, RopeTheta = 10_000, RopeScaling = new RopeScaling { RopeType = type, Factor = 4, OriginalMaxPositionEmbeddings = 32 } }, PreTokenizer.Gpt2);

    [Fact]
    public void The_real_model_tells_its_story_in_llama_cpp()
    {
        Convert(SharedData.Require("models/stories260K.bin"), At("m.gguf"), ModelFormat.Gguf);
        using var ours = ModelFolder.Load(At("m.gguf"), WorkerPool.Shared);
        const string Text = "Once upon a time, there's a big red ball!";
        var theirs = NodeLlamaCpp.Run(new NodeLlamaCpp.Job(At("m.gguf"), [1], 100, Text))[0];
        Assert.Equal(Greedy(ours.Model, [1], 100), theirs.Tokens);
        Assert.Equal(ours.Tokenizer.Encode(Text), theirs.Ids);
        Assert.Equal((1, 2), (theirs.Begin, theirs.End));
    }

    [Fact]
    public void Quantisation_is_that_of_llama_cpps_reference_bit_for_bit()
    {
        var folder = Path.Combine(NodeLlamaCpp.Require(), "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");
        var library = NativeLibrary.Load(Path.Combine(folder, "libggml-base.so"));
        const int Count = 32 * 4000;
        var values = new float[Count];
        for (var i = 0; i < Count; i++) values[i] = CounterRandom.Normal(7, (ulong)i) * MathF.ScaleB(1, i / 32 % 41 - 30);   // scales from very small to large
        values.AsSpan(64, 32).Clear();
        foreach (var (type, quantize, dequantize) in new[]
                 {
                     (TensorType.Q8_0, "quantize_row_q8_0_ref", "dequantize_row_q8_0"), (TensorType.Q4_0, "quantize_row_q4_0_ref", "dequantize_row_q4_0"),
                     (TensorType.F16, "ggml_fp32_to_fp16_row", "ggml_fp16_to_fp32_row"), (TensorType.BF16, "ggml_fp32_to_bf16_row_ref", "ggml_bf16_to_fp32_row"),
                 })
        {
            byte[] expected = new byte[type.BytesOf(Count)], found = new byte[expected.Length];
            float[] expectedBack = new float[Count], foundBack = new float[Count];
            fixed (float* from = values, back = expectedBack)
            fixed (byte* to = expected)
            {
                ((delegate* unmanaged<float*, byte*, long, void>)NativeLibrary.GetExport(library, quantize))(from, to, Count);
                ((delegate* unmanaged<byte*, float*, long, void>)NativeLibrary.GetExport(library, dequantize))(to, back, Count);
            }
            TensorCodec.Encode(type, values, found);
            TensorCodec.Decode(type, expected, foundBack);
            Assert.True(expected.AsSpan().SequenceEqual(found), type.ToString());
            Assert.True(MemoryMarshal.AsBytes(expectedBack.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(foundBack.AsSpan())), type.ToString());
        }
    }

    private void SaysTheSame(ModelConfig config, PreTokenizer preTokenizer)
    {
        NodeLlamaCpp.Require();
        var tokenizer = BpeTrainer.Train([Lesson, Lesson], new BpeTrainerOptions { VocabSize = 320, PreTokenizer = preTokenizer });
        using var model = Decoder.Create(config with { VocabSize = tokenizer.VocabSize, InitializerRange = 0.07f }, 5, WorkerPool.Shared);
        int[] document = [tokenizer.EndOfText, .. tokenizer.Encode(Lesson), tokenizer.EndOfText];
        Assert.InRange(Learn(model, document), 0, 0.3);
        ModelFolder.Save(At("model"), model, tokenizer, new ModelCard { Stage = "pretrain" });
        Convert(At("model"), At("m.gguf"), ModelFormat.Gguf);

        int[] begin = [tokenizer.EndOfText], middle = document[..20];
        var count = document.Length - 20;
        var theirs = NodeLlamaCpp.Run(new(At("m.gguf"), begin, count, Sample), new(At("m.gguf"), middle, count, Lesson));
        Assert.Equal(Greedy(model, begin, count), theirs[0].Tokens);
        Assert.Equal(Greedy(model, middle, count), theirs[1].Tokens);
        Assert.Equal(document[20..], theirs[1].Tokens);                      // it has learnt its lesson, so there is something to say
        Assert.Equal(tokenizer.Encode(Sample), theirs[0].Ids);
        Assert.Equal(tokenizer.Encode(Lesson), theirs[1].Ids);
        Assert.Equal((tokenizer.EndOfText, tokenizer.EndOfText), (theirs[0].Begin, theirs[0].End));
    }

    /// <summary>Learns one document by heart; returns the last loss.</summary>
    private static double Learn(Decoder model, int[] document)
    {
        var batch = new TokenBatchBuilder().AddCompletion(document, 1).Build();
        var gradients = Enumerable.Repeat(-1f / batch.ScoredCount, batch.ScoredCount).ToArray();
        using NativeBuffer<float> m = new(model.Parameters.Count), v = new(model.Parameters.Count);
        double loss = 0;
        for (var step = 1; step <= 150; step++)
        {
            model.Parameters.ZeroGradients();
            loss = -model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true }).LogProb.ToArray().Average();
            model.Backward(new TokenGradients { LogProb = gradients });
            AdamW.Step(WorkerPool.Shared, model.Parameters.ValuePointer, model.Parameters.GradientPointer, m.Pointer, v.Pointer, model.Parameters.Count, 5e-3f, 0.9f, 0.95f, 1e-8f, 0, step, 1);
        }
        return loss;
    }
}
