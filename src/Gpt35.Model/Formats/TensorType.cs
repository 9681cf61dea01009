namespace Gpt35.Model;

/// <summary>How the numbers of a stored tensor are written down.</summary>
public enum TensorType
{
    F32, F16,
    /// <summary>The upper half of an F32.</summary>
    BF16,
    /// <summary>Whole numbers; listed, never read as weights.</summary>
    I8, U8,
    /// <summary>Blocks of 32: an F16 scale d and 32 signed bytes q; a number is d·q (llama.cpp).</summary>
    Q8_0,
    /// <summary>Blocks of 32: an F16 scale d and 32 nibbles q; a number is d·(q − 8) (llama.cpp).</summary>
    Q4_0,
}

/// <summary>Sizes of the types.</summary>
public static class TensorTypes
{
    /// <summary>Numbers in a quantised block.</summary>
    public const int BlockSize = 32;

    /// <summary>Whether numbers share a scale, so that a row must be a multiple of <see cref="BlockSize"/>.</summary>
    public static bool IsQuantized(this TensorType type) => type is TensorType.Q8_0 or TensorType.Q4_0;

    /// <summary>Bytes of a block of 32 numbers.</summary>
    internal static int BlockBytes(this TensorType type) => type switch
    {
        TensorType.F32 => 4 * BlockSize,
        TensorType.F16 or TensorType.BF16 => 2 * BlockSize,
        TensorType.Q8_0 => 2 + BlockSize,
        TensorType.Q4_0 => 2 + BlockSize / 2,
        _ => BlockSize,
    };

    /// <summary>Bytes of so many numbers; of whole blocks where the type has blocks.</summary>
    /// <exception cref="OverflowException">More than 2^63.</exception>
    public static long BytesOf(this TensorType type, long count) =>
        type.IsQuantized() ? checked(count / BlockSize * type.BlockBytes()) : checked(count * (type.BlockBytes() / BlockSize));

    /// <summary>The type that a tensor is written in when <paramref name="wanted"/> is asked for: vectors stay F32, and rows that are no whole blocks become F16, as in llama.cpp.</summary>
    public static TensorType For(this TensorType wanted, ReadOnlySpan<int> shape) =>
        wanted.IsQuantized() && shape.Length < 2 ? TensorType.F32
        : wanted.IsQuantized() && shape[^1] % BlockSize != 0 ? TensorType.F16
        : wanted;
}
