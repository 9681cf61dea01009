using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Gpt35.Model;

/// <summary>
/// Q4_0 blocks with better scales than the format's reference takes. That one lets the number farthest from 0 become −8; here scales around it are tried,
/// each with the d that fits its whole numbers best, Σwxq/Σwq², and the least Σw(x − d·q)² wins, with w = x² + mean(x²), as llama.cpp does it where it knows
/// how much each number matters.
/// Numbers that come out of Q4_0 fit without error and stay what they are.
/// </summary>
internal static class Int4Scales
{
    private const int Tries = 6;
    private const float Between = 0.15f;

    /// <summary>Writes whole blocks.</summary>
    public static void Encode(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        Span<float> whole = stackalloc float[TensorTypes.BlockSize];
        for (var bytesOfBlock = TensorType.Q4_0.BlockBytes(); values.Length > 0; values = values[TensorTypes.BlockSize..], bytes = bytes[bytesOfBlock..])
        {
            var x = values[..TensorTypes.BlockSize];
            float largest = 0, farthest = 0, best = -1, scale = 0, inverse = 0;
            foreach (var number in x)
                if (MathF.Abs(number) > largest) (largest, farthest) = (MathF.Abs(number), number);
            for (var i = 0; i <= 2 * Tries && largest > 0; i++)
            {
                // In the order 0, −1, 1, −2, …: the reference's scale stays where none is better.
                var tried = (-8 + Between * (i % 2 == 0 ? i / 2 : -(i / 2 + 1))) / farthest;
                Fit(x, tried, whole, out var products, out var squares);
                if (squares > 0 && products * products / squares > best) (best, scale, inverse) = (products * products / squares, products / squares, tried);
            }
            Write(x, scale, inverse, whole, bytes);
        }
    }

    private static void Fit(ReadOnlySpan<float> x, float inverse, Span<float> whole, out float products, out float squares)
    {
        products = squares = 0;
        var mean = TensorPrimitives.SumOfSquares(x) / x.Length;
        for (var i = 0; i < x.Length; i++)
        {
            whole[i] = Math.Clamp(MathF.Round(x[i] * inverse), -8, 7);
            var weight = mean + x[i] * x[i];
            products += weight * x[i] * whole[i];
            squares += weight * whole[i] * whole[i];
        }
    }

    private static void Write(ReadOnlySpan<float> x, float scale, float inverse, Span<float> whole, Span<byte> bytes)
    {
        Fit(x, inverse, whole, out _, out _);
        MemoryMarshal.Write(bytes, (Half)scale);
        for (var i = 0; i < 16; i++) bytes[2 + i] = (byte)(((int)whole[i] + 8) | ((int)whole[i + 16] + 8) << 4);
    }
}
