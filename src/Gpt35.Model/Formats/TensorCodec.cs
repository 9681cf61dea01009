using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Gpt35.Model;

/// <summary>Numbers of every <see cref="TensorType"/> to and from F32. The quantised types round as llama.cpp's reference does (ggml-quants.c), bit for bit.</summary>
public static class TensorCodec
{
    /// <summary>Reads <paramref name="values"/>.Length numbers; of a quantised type, whole blocks.</summary>
    public static void Decode(TensorType type, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        switch (type)
        {
            case TensorType.F32:
                bytes[..(4 * values.Length)].CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case TensorType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes)[..values.Length], values);
                break;
            case TensorType.BF16:
                var upper = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                break;
            case TensorType.Q8_0: DecodeQ8(bytes, values); break;
            case TensorType.Q4_0: DecodeQ4(bytes, values); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "Expected a type that weights have.");
        }
    }

    /// <summary>Writes all <paramref name="values"/>; of a quantised type, whole blocks.</summary>
    public static void Encode(TensorType type, ReadOnlySpan<float> values, Span<byte> bytes)
    {
        switch (type)
        {
            case TensorType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case TensorType.F16:
                TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<byte, Half>(bytes));
                break;
            case TensorType.BF16:
                var upper = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) upper[i] = ToBFloat16(values[i]);
                break;
            case TensorType.Q8_0: EncodeQ8(values, bytes); break;
            case TensorType.Q4_0: EncodeQ4(values, bytes); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "Expected a type that weights have.");
        }
    }

    /// <summary>To the nearest, ties to even; a NaN stays one.</summary>
    private static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)(bits >> 16 | 0x40) : (ushort)(bits + 0x7FFF + (bits >> 16 & 1) >> 16);
    }

    private static void DecodeQ8(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        for (; values.Length > 0; values = values[32..], bytes = bytes[34..])
        {
            var d = (float)MemoryMarshal.Read<Half>(bytes);
            for (var i = 0; i < 32; i++) values[i] = d * (sbyte)bytes[2 + i];
        }
    }

    private static void DecodeQ4(ReadOnlySpan<byte> bytes, Span<float> values)
    {
        for (; values.Length > 0; values = values[32..], bytes = bytes[18..])
        {
            var d = (float)MemoryMarshal.Read<Half>(bytes);
            for (var i = 0; i < 16; i++)
            {
                values[i] = d * ((bytes[2 + i] & 0xF) - 8);
                values[i + 16] = d * ((bytes[2 + i] >> 4) - 8);
            }
        }
    }

    private static void EncodeQ8(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        for (; values.Length > 0; values = values[32..], bytes = bytes[34..])
        {
            var largest = 0f;
            foreach (var x in values[..32]) largest = MathF.Max(largest, MathF.Abs(x));
            var d = largest / 127;
            var inverse = d != 0 ? 1 / d : 0;
            MemoryMarshal.Write(bytes, (Half)d);
            for (var i = 0; i < 32; i++) bytes[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
        }
    }

    /// <summary>The number farthest from 0 becomes −8, whatever its sign.</summary>
    private static void EncodeQ4(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        for (; values.Length > 0; values = values[32..], bytes = bytes[18..])
        {
            float largest = 0, farthest = 0;
            foreach (var x in values[..32])
                if (MathF.Abs(x) > largest) (largest, farthest) = (MathF.Abs(x), x);
            var d = farthest / -8;
            var inverse = d != 0 ? 1 / d : 0;
            MemoryMarshal.Write(bytes, (Half)d);
            for (var i = 0; i < 16; i++) bytes[2 + i] = (byte)(Nibble(values[i] * inverse) | Nibble(values[i + 16] * inverse) << 4);
        }

        static int Nibble(float x) => Math.Min(15, (int)(x + 8.5f)) & 0xF;
    }
}
