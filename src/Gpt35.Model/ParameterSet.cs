namespace Gpt35.Model;

/// <summary>One named tensor inside the flat buffer.</summary>
/// <param name="Name">Name in <c>model.safetensors</c>.</param>
/// <param name="Shape">Row-major shape.</param>
/// <param name="Offset">First element in the flat buffer.</param>
/// <param name="Decays">Whether weight decay applies (matrices: yes; biases and norms: no).</param>
public sealed record Parameter(string Name, int[] Shape, int Offset, bool Decays)
{
    public int Count { get; } = Shape.Aggregate(1, (a, b) => checked(a * b));
}

/// <summary>All parameters of a model in one flat, 64-byte-aligned native buffer, and their gradients beside it.</summary>
public sealed unsafe class ParameterSet : IDisposable
{
    public IReadOnlyList<Parameter> All => throw new NotImplementedException();
    /// <summary>Number of parameters in all.</summary>
    public int Count => throw new NotImplementedException();
    public Span<float> Values => throw new NotImplementedException();
    public Span<float> Gradients => throw new NotImplementedException();
    public Parameter this[string name] => throw new NotImplementedException();
    public Span<float> ValuesOf(Parameter parameter) => Values.Slice(parameter.Offset, parameter.Count);
    public Span<float> GradientsOf(Parameter parameter) => Gradients.Slice(parameter.Offset, parameter.Count);
    public void ZeroGradients() => Gradients.Clear();
    /// <summary>Copies every parameter that both sets have under the same name and shape; returns the names left untouched here.</summary>
    public IReadOnlyList<string> CopyFrom(ParameterSet other) => throw new NotImplementedException();
    public void Dispose() => throw new NotImplementedException();
}
