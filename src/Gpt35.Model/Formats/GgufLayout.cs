namespace Gpt35.Model;

/// <summary>Numbers of the GGUF format that reading and writing share (ggml-org/ggml, docs/gguf.md).</summary>
internal static class GgufLayout
{
    public const uint Magic = 0x46554747;                                   // "GGUF"
    public const int DefaultAlignment = 32, LargestAlignment = 1 << 20;
    public const string AlignmentKey = "general.alignment";
    public const int MostDimensions = 4, LongestName = 63;                  // ggml.h: GGML_MAX_DIMS, GGML_MAX_NAME with its final zero

    /// <summary>Value types by their numbers.</summary>
    public static readonly Type[] Values =
    [
        typeof(byte), typeof(sbyte), typeof(ushort), typeof(short), typeof(uint), typeof(int), typeof(float), typeof(bool), typeof(string), typeof(Array),
        typeof(ulong), typeof(long), typeof(double),
    ];

    /// <summary>Tensor types by their numbers (ggml.h, ggml_type), as far as they are read here.</summary>
    public static readonly IReadOnlyDictionary<uint, TensorType> Tensors = new Dictionary<uint, TensorType>
    {
        [0] = TensorType.F32,
        [1] = TensorType.F16,
        [2] = TensorType.Q4_0,
        [8] = TensorType.Q8_0,
        [24] = TensorType.I8,
        [30] = TensorType.BF16,
    };

    /// <summary>Names of the types that are not, for messages.</summary>
    public static readonly IReadOnlyDictionary<uint, string> OtherTensors = new Dictionary<uint, string>
    {
        [3] = "Q4_1",
        [6] = "Q5_0",
        [7] = "Q5_1",
        [9] = "Q8_1",
        [10] = "Q2_K",
        [11] = "Q3_K",
        [12] = "Q4_K",
        [13] = "Q5_K",
        [14] = "Q6_K",
        [15] = "Q8_K",
        [16] = "IQ2_XXS",
        [17] = "IQ2_XS",
        [18] = "IQ3_XXS",
        [19] = "IQ1_S",
        [20] = "IQ4_NL",
        [21] = "IQ3_S",
        [22] = "IQ2_S",
        [23] = "IQ4_XS",
        [25] = "I16",
        [26] = "I32",
        [27] = "I64",
        [28] = "F64",
        [29] = "IQ1_M",
        [34] = "TQ1_0",
        [35] = "TQ2_0",
    };

    /// <summary>Value of <c>general.file_type</c> (llama.h, llama_ftype).</summary>
    public static uint FileType(TensorType type) => type switch
    {
        TensorType.F32 => 0,
        TensorType.F16 => 1,
        TensorType.Q4_0 => 2,
        TensorType.Q8_0 => 7,
        _ => 32,                                                            // BF16
    };
}
