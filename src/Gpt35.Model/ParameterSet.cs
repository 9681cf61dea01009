using Gpt35.Kernels;

namespace Gpt35.Model;

/// <summary>One named tensor inside the flat buffer.</summary>
/// <param name="Name">Name in <c>model.safetensors</c>.</param>
/// <param name="Shape">Row-major shape.</param>
/// <param name="Offset">First element in the flat buffer.</param>
/// <param name="Decays">Whether weight decay applies (matrices: yes; biases and norms: no).</param>
public sealed record Parameter(string Name, int[] Shape, long Offset, bool Decays)
{
    public long Count { get; } = Shape.Aggregate(1L, (a, b) => checked(a * b));
}

/// <summary>All parameters of a model in one flat, 64-byte-aligned native buffer, and their gradients beside it.</summary>
public sealed unsafe class ParameterSet : IDisposable
{
    private readonly NativeBuffer<float> values;
    private readonly Dictionary<string, Parameter> byName;
    private readonly ValueUse use = new();
    private NativeBuffer<float>? gradients;
    private int owners = 1;

    /// <param name="all">Parameters in the order of their offsets and without gaps, as <see cref="DecoderLayout.Parameters"/> gives them.</param>
    public ParameterSet(IReadOnlyList<Parameter> all)
    {
        All = all;
        byName = all.ToDictionary(p => p.Name);
        Count = all.Sum(p => p.Count);
        values = new NativeBuffer<float>(Count);
    }

    /// <summary>Every parameter, in the order of the flat buffer and without gaps.</summary>
    public IReadOnlyList<Parameter> All { get; }

    /// <summary>Number of parameters in all.</summary>
    public long Count { get; }

    /// <summary>The values. Whoever changes them when the model is in use does so within <see cref="BeginChange"/>.</summary>
    public Span<float> Values => values.Span;

    /// <summary>Gradients, allocated when first asked for, so that a model that only generates does not pay for them.</summary>
    public Span<float> Gradients => GradientBuffer.Span;

    public float* ValuePointer => values.Pointer;
    public float* GradientPointer => GradientBuffer.Pointer;

    /// <summary>Told during a backward pass: from this offset of the flat buffer to its end, the pass adds nothing more. Null when nobody waits for it.</summary>
    public Action<long>? GradientsComplete { get; set; }

    /// <exception cref="KeyNotFoundException">No parameter has this name.</exception>
    public Parameter this[string name] => byName[name];

    public bool Contains(string name) => byName.ContainsKey(name);
    public Span<float> ValuesOf(Parameter parameter) => new(ValuePointer + parameter.Offset, checked((int)parameter.Count));
    public Span<float> GradientsOf(Parameter parameter) => new(GradientPointer + parameter.Offset, checked((int)parameter.Count));
    public void ZeroGradients() => Gradients.Clear();

    /// <summary>
    /// To be held while values are changed: waits for the passes under way over them, keeps new ones waiting, and is refused where an engine is in the middle of a text. What engines remember of texts that were read
    /// before is forgotten. Gradients are not guarded.
    /// </summary>
    /// <exception cref="InvalidOperationException">Requests of an engine over these values are under way.</exception>
    public Change BeginChange()
    {
        use.BeginChange();
        return new Change(this);
    }

    /// <summary>Changes of the values so far: what was computed under another number is out of date.</summary>
    public long Version => use.Version;

    /// <summary>Who reads them and who changes them.</summary>
    internal ValueUse Use => use;

    /// <summary>Copies every parameter that both sets have under the same name and shape; returns the names left untouched here.</summary>
    public IReadOnlyList<string> CopyFrom(ParameterSet other)
    {
        using var change = BeginChange();
        var untouched = new List<string>();
        foreach (var parameter in All)
        {
            if (other.byName.TryGetValue(parameter.Name, out var source) && source.Shape.AsSpan().SequenceEqual(parameter.Shape))
                other.ValuesOf(source).CopyTo(ValuesOf(parameter));
            else
                untouched.Add(parameter.Name);
        }
        return untouched;
    }

    /// <summary>One more owner: the memory is freed when each has disposed of it.</summary>
    internal ParameterSet Share()
    {
        Interlocked.Increment(ref owners);
        return this;
    }

    /// <summary>Whether gradients have been asked for, and so take memory.</summary>
    internal bool HasGradients => gradients is not null;

    public void Dispose()
    {
        if (Interlocked.Decrement(ref owners) > 0) return;
        values.Dispose();
        gradients?.Dispose();
    }

    /// <summary>Ends the change when it is disposed of.</summary>
    public readonly struct Change : IDisposable
    {
        private readonly ParameterSet parameters;

        internal Change(ParameterSet parameters) => this.parameters = parameters;

        public void Dispose() => parameters.use.EndChange();
    }

    private NativeBuffer<float> GradientBuffer => gradients ??= new NativeBuffer<float>(Count);
}
