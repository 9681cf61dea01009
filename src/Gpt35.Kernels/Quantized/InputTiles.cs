namespace Gpt35.Kernels;

/// <summary>
/// Inputs of a product in tiles of 8, the last one of 1, 4 or 8: so many are multiplied by each vector of weights that is loaded. A tile holds
/// its inputs side by side, number by number, and zeros where it has none.
/// </summary>
internal readonly record struct InputTiles(int Inputs)
{
    internal const int Widest = 8;

    internal int Count => Simd.Pieces(Inputs, Widest);

    /// <summary>Inputs of the tile.</summary>
    internal int Filled(int tile) => Math.Min(Widest, Inputs - tile * Widest);

    /// <summary>Inputs that the tile has room for.</summary>
    internal int Width(int tile) => Filled(tile) switch { 1 => 1, <= 4 => 4, _ => Widest };

    /// <summary>Inputs that all tiles have room for.</summary>
    internal int Room => (Count - 1) * Widest + Width(Count - 1);
}
