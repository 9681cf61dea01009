using System.Buffers.Binary;

namespace Gpt35.Model;

/// <summary>
/// Models of llama2.c, version 0 (karpathy/llama2.c, export.py, legacy_export): seven int32, then F32 tensors: embedding; of all layers attention norm,
/// wq, wk, wv, wo, feed-forward norm, w1, w2, w3; final norm; two rotary tables; the classifier where it is not the embedding.
/// </summary>
internal static class Llama2C
{
    public const int HeaderBytes = 28;
    private static readonly string[] KindsOfLayers = ["rms_att", "wq", "wk", "wv", "wo", "rms_ffn", "w1", "w2", "w3"];

    /// <summary>The configuration, where the numbers are those of a model of exactly this length; else null: the file is something else.</summary>
    public static ModelConfig? TryReadConfig(ReadOnlySpan<byte> header, long length)
    {
        if (header.Length < HeaderBytes) return null;
        var numbers = new int[7];
        for (var i = 0; i < 7; i++) numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(header[(4 * i)..]);
        var (dim, hidden, layers, heads, groups, vocabulary, context) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]);
        if (dim < 1 || hidden < 1 || layers < 1 || layers > length / 4 || heads < 1 || groups < 1 || vocabulary is 0 or int.MinValue || context < 1 ||
            dim % heads != 0 || dim / heads % 2 != 0 || heads % groups != 0) return null;
        var config = new ModelConfig
        {
            VocabSize = Math.Abs(vocabulary),
            HiddenSize = dim,
            IntermediateSize = hidden,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = groups,
            MaxPositionEmbeddings = context,
            PositionEncoding = PositionEncoding.Rotary,
            Normalization = Normalization.RmsNorm,
            HiddenAct = Activation.Silu,
            GatedMlp = true,
            AttentionBias = false,
            MlpBias = false,
            TieWordEmbeddings = vocabulary > 0,
        }.Resolved();
        return Bytes(config) == length ? config : null;
    }

    /// <summary>The tokenizer that lies beside such a model: tokenizer.bin, or tok512.bin for a vocabulary of 512.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static string TokenizerBeside(string path, ModelConfig config)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string[] names = [$"tok{config.VocabSize}.bin", "tokenizer.bin", "tokenizer.model"];
        return names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) ?? throw new InvalidDataException(
            $"{path}: a llama2.c model holds no tokenizer, and beside it there is none of {string.Join(", ", names)}. Say where it is: 'gpt35 convert {path} FOLDER --tokenizer PATH'.");
    }

    /// <summary>Every tensor of every layer, in the file.</summary>
    public static Dictionary<string, StoredTensor> Tensors(MappedFile file, ModelConfig config)
    {
        var all = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        var parts = TensorNames.Llama2C(config).ToDictionary(part => part.Name);
        long offset = HeaderBytes;
        void Add(string name)
        {
            var part = parts[name];
            var tensor = new StoredTensor(file, name, TensorType.F32, [.. part.Shape.Select(size => (long)size)], offset);
            all.Add(name, tensor);
            offset += TensorType.F32.BytesOf(tensor.Count);
        }

        Add("token_embedding_table");
        foreach (var kind in KindsOfLayers)
            for (var layer = 0; layer < config.NumHiddenLayers; layer++) Add($"{layer}.{kind}");
        Add("rms_final");
        offset += RotaryBytes(config);
        if (!config.TieWordEmbeddings) Add("wcls");
        return all;
    }

    private static double Bytes(ModelConfig config)
    {
        double d = config.HiddenSize, f = config.IntermediateSize;
        var layer = 2 * d + d * (config.QueryWidth + 2.0 * config.KeyValueWidth) + d * d + 3 * d * f;
        var head = config.TieWordEmbeddings ? 0 : d * config.VocabSize;
        return HeaderBytes + 4 * (d * config.VocabSize + config.NumHiddenLayers * layer + d + head) + RotaryBytes(config);
    }

    /// <summary>Cosines and sines, (context, K/2) each; computed anew here.</summary>
    private static long RotaryBytes(ModelConfig config) => 4L * config.MaxPositionEmbeddings * config.HeadDim;
}
