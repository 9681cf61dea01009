using System.Text;
using Gpt35.Kernels;

namespace Gpt35.Training;

/// <summary>What optimizer.bin says before its numbers.</summary>
internal readonly record struct OptimizerHeader(long Count, int StepCount, bool HasAverage);

/// <summary>optimizer.bin: a header, then the first moments, the second moments and, where one is kept, the average of the weights, each (parameters,), little-endian.</summary>
internal static unsafe class OptimizerFile
{
    private static ReadOnlySpan<byte> Magic => "gpt35-adamw-2\n"u8;

    public static void WriteHeader(Stream stream, OptimizerHeader header, OutlierGuard? guard)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(header.Count);
        writer.Write(header.StepCount);
        writer.Write(header.HasAverage);
        writer.Write(guard is not null);
        guard?.Save(writer);
    }

    /// <exception cref="InvalidDataException">Not such a file, or one cut short.</exception>
    public static OptimizerHeader ReadHeader(Stream stream, OutlierGuard? guard)
    {
        using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
        if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
            throw new InvalidDataException("no optimizer state of this program and version.");
        try
        {
            var header = new OptimizerHeader(reader.ReadInt64(), reader.ReadInt32(), reader.ReadBoolean());
            if (reader.ReadBoolean() != guard is not null)
                throw new InvalidDataException("the optimizer state was written with another skip_outliers; it goes on only with the same recipe.");
            guard?.Load(reader);
            return header;
        }
        catch (EndOfStreamException e)
        {
            throw CutShort(e);
        }
    }

    /// <summary>Writes the shards of all ranks one after the other; the others send theirs to the first.</summary>
    /// <param name="stream">Where to; null on all ranks but the first.</param>
    /// <param name="mine">This rank's shard.</param>
    /// <param name="count">Numbers in all.</param>
    /// <param name="ranks">Who takes part.</param>
    public static void WriteShards(Stream? stream, float* mine, long count, Ranks ranks)
    {
        using var received = ranks.Count > 1 && ranks.IsFirst ? new NativeBuffer<float>(Math.Min(count, Ranks.MessageFloats)) : null;
        for (var owner = 0; owner < ranks.Count; owner++)
        {
            var (from, to) = GradientExchange.Shard(count, owner, ranks.Count);
            for (var at = from; at < to; at += Ranks.MessageFloats)
            {
                var part = (int)Math.Min(Ranks.MessageFloats, to - at);
                if (owner != ranks.Rank && !ranks.IsFirst) continue;
                if (owner != ranks.Rank) ranks.ReceiveFrom(owner, received!.Pointer, part);
                if (!ranks.IsFirst) ranks.SendToFirst(mine + (at - from), part);
                stream?.Write(new ReadOnlySpan<byte>(owner == ranks.Rank ? mine + (at - from) : received!.Pointer, part * sizeof(float)));
            }
        }
    }

    /// <exception cref="InvalidDataException">The file ends before.</exception>
    public static void ReadFloats(Stream stream, float* target, long count)
    {
        try
        {
            for (long at = 0; at < count; at += Ranks.MessageFloats)
                stream.ReadExactly(new Span<byte>(target + at, (int)Math.Min(Ranks.MessageFloats, count - at) * sizeof(float)));
        }
        catch (EndOfStreamException e)
        {
            throw CutShort(e);
        }
    }

    private static InvalidDataException CutShort(Exception e) =>
        new("the optimizer state ends before its last number; it was not written completely.", e);
}
