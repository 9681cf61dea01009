using System.Runtime.InteropServices;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Benchmarks;

/// <summary>
/// The file that ggml's GPT-2 examples read (ggml, examples/gpt-2/convert-h5-to-ggml.py and quantize.cpp): a magic, six sizes, the vocabulary's bytes, and the
/// tensors under the names of OpenAI's checkpoint, matrices (out, in).
/// </summary>
internal static class GgmlGpt2File
{
    private const int Magic = 0x67676d6c, QuantisationVersion = 2, VersionFactor = 1000;

    /// <param name="gguf">A GPT-2 with F32 weights and r50k_base's vocabulary.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="type">Of the matrices but that of positions: F16 or Q8_0.</param>
    public static void Write(string gguf, string path, TensorType type)
    {
        using var model = GgufFile.Open(gguf);
        using var stream = File.Create(path);
        int Size(string key) => (int)model.Metadata.TryInteger("gpt2." + key)!;
        var vocabulary = Tokenizer.Load("r50k_base").Vocabulary;
        var layers = Size("block_count");
        Numbers(stream, Magic, vocabulary.Size, Size("context_length"), Size("embedding_length"), Size("attention.head_count"), layers, FileType(type), vocabulary.Size);
        for (var id = 0; id < vocabulary.Size; id++)
        {
            var bytes = vocabulary.BytesOf(id);
            Numbers(stream, bytes.Length);
            stream.Write(bytes);
        }
        foreach (var (name, source) in Names(layers)) Tensor(stream, name, model.Tensors[source], type);
    }

    /// <summary>ggml's enum ggml_ftype, and in its thousands the version of the quantised blocks.</summary>
    private static int FileType(TensorType type) => type switch
    {
        TensorType.F16 => 1,
        TensorType.Q8_0 => QuantisationVersion * VersionFactor + 7,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Expected F16 or Q8_0."),
    };

    /// <summary>ggml's enum ggml_type.</summary>
    private static int TypeNumber(TensorType type) => type switch { TensorType.F32 => 0, TensorType.F16 => 1, _ => 8 };

    private static IEnumerable<(string Name, string Gguf)> Names(int layers)
    {
        yield return ("model/wte", "token_embd.weight");
        yield return ("model/wpe", "position_embd.weight");
        yield return ("model/ln_f/g", "output_norm.weight");
        yield return ("model/ln_f/b", "output_norm.bias");
        for (var layer = 0; layer < layers; layer++)
            foreach (var (name, gguf, weight) in ((string, string, string)[])
                [("ln_1", "attn_norm", "g"), ("ln_2", "ffn_norm", "g"), ("attn/c_attn", "attn_qkv", "w"), ("attn/c_proj", "attn_output", "w"), ("mlp/c_fc", "ffn_up", "w"), ("mlp/c_proj", "ffn_down", "w")])
            {
                yield return ($"model/h{layer}/{name}/{weight}", $"blk.{layer}.{gguf}.weight");
                yield return ($"model/h{layer}/{name}/b", $"blk.{layer}.{gguf}.bias");
            }
    }

    private static void Tensor(Stream stream, string name, StoredTensor tensor, TensorType wanted)
    {
        var type = tensor.Shape.Count == 1 || name == "model/wpe" ? TensorType.F32 : wanted;
        Numbers(stream, tensor.Shape.Count, name.Length, TypeNumber(type));
        foreach (var size in tensor.Shape.Reverse()) Numbers(stream, (int)size);
        stream.Write(System.Text.Encoding.ASCII.GetBytes(name));
        var values = new float[tensor.Count];
        tensor.Read(0, values);
        var bytes = new byte[type.BytesOf(values.Length)];
        TensorCodec.Encode(type, values, bytes);
        stream.Write(bytes);
    }

    private static void Numbers(Stream stream, params ReadOnlySpan<int> numbers) => stream.Write(MemoryMarshal.AsBytes(numbers));
}
