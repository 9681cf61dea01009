namespace Gpt35.Data;

/// <summary>Where a record was read, as "file:line"; empty for one that was made. Two records are equal wherever they stand.</summary>
public readonly struct Origin(string place) : IEquatable<Origin>
{
    public override string ToString() => place ?? "";
    public bool Equals(Origin other) => true;
    public override bool Equals(object? obj) => obj is Origin;
    public override int GetHashCode() => 0;

    /// <summary>Does something with a record; where the record is at fault, the message names its row.</summary>
    /// <exception cref="InvalidDataException"><paramref name="use"/> threw one.</exception>
    public T Blame<T>(Func<T> use)
    {
        try
        {
            return use();
        }
        catch (InvalidDataException e) when (ToString().Length > 0)
        {
            throw new InvalidDataException($"{this}: {e.Message}", e);
        }
    }
}

/// <summary>What the records of data files share.</summary>
public abstract record DataRecord
{
    /// <summary>Where it was read.</summary>
    public Origin Origin { get; init; }
}
