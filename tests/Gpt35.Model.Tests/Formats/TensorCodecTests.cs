using CsCheck;

namespace Gpt35.Model.Tests;

public class TensorCodecTests
{
    [Fact]
    public void Half_precision_rounds_to_the_nearest_and_ties_to_even()
    {
        // 1 + 2^-11 lies between two F16 numbers, 1 + 2^-8 between two BF16 numbers; ties go to the even one below, three halves to the one above.
        Assert.Equal([1f, 1 + MathF.ScaleB(1, -9), -65504, float.PositiveInfinity], Through(TensorType.F16, [1 + MathF.ScaleB(1, -11), 1 + 3 * MathF.ScaleB(1, -11), -65504, 1e6f]));
        Assert.Equal([1f, 1 + MathF.ScaleB(1, -6), float.NaN, float.PositiveInfinity], Through(TensorType.BF16, [1 + MathF.ScaleB(1, -8), 1 + 3 * MathF.ScaleB(1, -8), float.NaN, float.MaxValue]));
    }

    [Fact]
    public void Q8_0_is_a_half_precision_scale_and_32_bytes()
    {
        var values = new float[32];
        (values[0], values[1], values[2], values[31]) = (-12.7f, 0.05f, 0.149f, 12.7f);
        var bytes = new byte[34];
        TensorCodec.Encode(TensorType.Q8_0, values, bytes);
        Assert.Equal((Half)(12.7f / 127), BitConverter.ToHalf(bytes));
        Assert.Equal([-127, 1, 1, 127], new[] { bytes[2], bytes[3], bytes[4], bytes[33] }.Select(q => (int)(sbyte)q));   // 0.5 rounds away from 0
    }

    [Fact]
    public void Q4_0_gives_the_farthest_number_the_lowest_nibble_whatever_its_sign()
    {
        var values = new float[32];
        (values[0], values[16], values[1], values[17]) = (8, -7, 3.4f, -8);
        var bytes = new byte[18];
        TensorCodec.Encode(TensorType.Q4_0, values, bytes);
        Assert.Equal((Half)(-1), BitConverter.ToHalf(bytes));                // 8 / −8
        Assert.Equal([0, 15, 5, 15], new[] { bytes[2] & 15, bytes[2] >> 4, bytes[3] & 15, bytes[3] >> 4 });   // −8; 7; −3.4 + 8.5 cut off; 16 is cut to 15
        Assert.Equal(8 | 8 << 4, bytes[17]);                                 // 0 is in the middle
        var found = Decode(TensorType.Q4_0, bytes, 32);
        Assert.Equal([8, -7, 3, -7], new[] { found[0], found[16], found[1], found[17] });
    }

    [Fact]
    public void What_was_decoded_is_encoded_to_the_same_bytes() => Gen.Select(Gen.Float[-4, 4].Array[64], Gen.Int[0, 4]).Sample((values, which) =>
    {
        var type = new[] { TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0 }[which];
        var once = new byte[type.BytesOf(64)];
        TensorCodec.Encode(type, values, once);
        var twice = new byte[once.Length];
        TensorCodec.Encode(type, Decode(type, once, 64), twice);
        Assert.Equal(once, twice);
    }, iter: 2000);

    [Fact]
    public void Quantised_numbers_are_within_half_a_step() => Gen.Float[-4, 4].Array[32].Sample(values =>
    {
        var largest = values.Max(MathF.Abs);
        foreach (var (type, steps) in new[] { (TensorType.Q8_0, 127f), (TensorType.Q4_0, 8f) })
        {
            var bytes = new byte[type.BytesOf(32)];
            TensorCodec.Encode(type, values, bytes);
            var found = Decode(type, bytes, 32);
            // Q4_0 reaches only 7 steps to the side where the farthest number is not; the rest is the rounding of the scale.
            var tolerance = largest / steps * (type == TensorType.Q4_0 ? 1.01f : 0.51f) + largest * 0.001f;
            for (var i = 0; i < 32; i++) Assert.InRange(found[i], values[i] - tolerance, values[i] + tolerance);
        }
    }, iter: 500);

    [Theory]
    [InlineData(TensorType.Q8_0, new[] { 4, 64 }, TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0, new[] { 64 }, TensorType.F32)]
    [InlineData(TensorType.Q4_0, new[] { 64, 20 }, TensorType.F16)]
    [InlineData(TensorType.BF16, new[] { 20 }, TensorType.BF16)]
    public void Tensors_that_are_no_whole_blocks_are_not_quantised(TensorType wanted, int[] shape, TensorType expected) => Assert.Equal(expected, wanted.For(shape));

    private static float[] Through(TensorType type, float[] values)
    {
        var bytes = new byte[type.BytesOf(values.Length)];
        TensorCodec.Encode(type, values, bytes);
        return Decode(type, bytes, values.Length);
    }

    private static float[] Decode(TensorType type, byte[] bytes, int count)
    {
        var values = new float[count];
        TensorCodec.Decode(type, bytes, values);
        return values;
    }
}
