namespace Gpt35.Kernels;

/// <summary>How the weights of a model are held in memory for inference.</summary>
public enum WeightPrecision
{
    /// <summary>As they were trained: 32 bits.</summary>
    F32,
    /// <summary>The upper half of an F32, rounded to nearest: 16 bits.</summary>
    BF16,
    /// <summary>llama.cpp's Q8_0: blocks of 32 signed bytes with an F16 scale: 8.5 bits.</summary>
    Int8,
    /// <summary>llama.cpp's Q4_0: blocks of 32 nibbles with an F16 scale: 4.5 bits.</summary>
    Int4,
}
