namespace Gpt35.Model;

/// <summary>
/// A longer context for models with learned positions, by position interpolation: the longer text is laid over the positions that the model
/// knows instead of running beyond them (Chen et al. 2023, section 2.3, for rotary positions), with linear interpolation between
/// neighbouring rows of the table (as Dosovitskiy et al. 2021, section 3.2, do between patches). Distances shrink by the factor, so a short
/// fine-tuning on long texts belongs to it: hundreds of steps where pre-training took hundreds of thousands.
/// </summary>
public static class ModelExtension
{
    /// <summary>longer_p = (1 − f)·table_i + f·table_{i+1} at i + f = p·(L − 1)/(L′ − 1): first and last row stay, all others lie between.</summary>
    /// <param name="table">Learned positions, (L, D).</param>
    /// <param name="width">D.</param>
    /// <param name="longer">Receives (L′, D), L′ ≥ L.</param>
    public static void Interpolate(ReadOnlySpan<float> table, int width, Span<float> longer)
    {
        int rows = table.Length / width, targets = longer.Length / width;
        if (rows * width != table.Length || targets * width != longer.Length || rows == 0 || targets < rows)
            throw new ArgumentException($"Tables of {table.Length} and {longer.Length} numbers are not rows of {width}, the second at least as many.");
        for (var p = 0; p < targets; p++)
        {
            var place = targets == 1 ? 0 : p * (rows - 1.0) / (targets - 1);
            var below = Math.Min((int)place, rows - 1);
            var above = Math.Min(below + 1, rows - 1);
            var f = place - below;
            for (var j = 0; j < width; j++)
                longer[p * width + j] = (float)((1 - f) * table[below * width + j] + f * table[above * width + j]);
        }
    }

    /// <summary>A copy of the model with more positions; all other weights are the same.</summary>
    /// <param name="model">A model with learned positions.</param>
    /// <param name="positions">L′: 2, 4, 8 or 16 times the model's, or any other number above it.</param>
    /// <exception cref="InvalidDataException">Its positions are rotary, or it has that many already.</exception>
    public static Decoder ExtendContext(this Decoder model, int positions)
    {
        var config = model.Config;
        if (config.PositionEncoding != PositionEncoding.Learned)
            throw new InvalidDataException("The model has rotary positions; they are stretched by rope_scaling in config.json, without new weights.");
        if (model.Adapter is not null)
            throw new InvalidDataException("The model is an adapter over a frozen base, whose positions it does not have; make a whole model first with 'gpt35 merge-lora'.");
        if (positions <= config.MaxPositionEmbeddings)
            throw new InvalidDataException($"The model has {config.MaxPositionEmbeddings} positions already; give a larger number than that, such as {2L * config.MaxPositionEmbeddings}.");
        var extended = model.CloneEmpty(config with { MaxPositionEmbeddings = positions });
        extended.Parameters.CopyFrom(model.Parameters);
        Interpolate(model.Parameters.ValuesOf(model.Parameters[DecoderLayout.PositionEmbedding]), config.HiddenSize,
            extended.Parameters.ValuesOf(extended.Parameters[DecoderLayout.PositionEmbedding]));
        return extended;
    }
}
