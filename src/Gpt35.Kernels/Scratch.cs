namespace Gpt35.Kernels;

/// <summary>Working memory of the kernels: one growing buffer per thread and use, so that warm calls allocate nothing.</summary>
internal static unsafe class Scratch
{
    [ThreadStatic] private static NativeBuffer<float>? ofPart, ofCall;

    /// <summary>Memory of the part that runs on this thread; content undefined.</summary>
    internal static float* ForPart(long floats) => Grow(ref ofPart, floats);

    /// <summary>Memory that the calling thread hands to all parts of one call; content undefined.</summary>
    internal static float* ForCall(long floats) => Grow(ref ofCall, floats);

    private static float* Grow(ref NativeBuffer<float>? buffer, long floats)
    {
        if (buffer is null || buffer.Length < floats)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = new NativeBuffer<float>(Math.Max(floats + floats / 4, 16384));
        }
        return buffer.Pointer;
    }
}
