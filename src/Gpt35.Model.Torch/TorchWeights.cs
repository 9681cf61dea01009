using TorchSharp;
using static TorchSharp.torch;

namespace Gpt35.Model.Torch;

/// <summary>
/// The parameters of a model as leaves of autograd. The <see cref="ParameterSet"/> stays the master: on the processor the leaves are its very
/// memory, values and gradients, so nothing is copied and the optimizer sees what backward added; on another device they are copies,
/// refreshed before a forward pass, and their gradients are added to the set after a backward pass.
/// </summary>
internal sealed unsafe class TorchWeights : IDisposable
{
    private readonly ParameterSet parameters;
    private readonly Device device;
    private readonly bool shared;
    private readonly Dictionary<string, Tensor> leaves = [], values = [], gradients = [];

    /// <param name="parameters">The master; must outlive this object.</param>
    /// <param name="device">Where the leaves lie.</param>
    /// <param name="shared">Whether they are the master's memory; only on the processor.</param>
    public TorchWeights(ParameterSet parameters, Device device, bool shared)
    {
        (this.parameters, this.device, this.shared) = (parameters, device, shared);
        foreach (var parameter in parameters.All)
        {
            var view = View(parameters.ValuePointer + parameter.Offset, parameter.Shape, requiresGrad: shared);
            values[parameter.Name] = view;
            // A tensor belongs to the scope it is made in and dies with it, unless it is taken out.
            leaves[parameter.Name] = shared ? view : zeros(view.shape, dtype: ScalarType.Float32, device: device, requires_grad: true).DetachFromDisposeScope();
        }
    }

    public Tensor this[string name] => leaves[name];

    /// <summary>The leaf, or null where the model has no such parameter.</summary>
    public Tensor? Find(string name) => leaves.GetValueOrDefault(name);

    /// <summary>Brings the master's values to the leaves.</summary>
    public void Refresh()
    {
        if (shared) return;
        using var frozen = no_grad();
        foreach (var (name, leaf) in leaves) leaf.copy_(values[name]);
    }

    /// <summary>Before a backward pass: where the leaves share the master's memory, autograd is given its gradients to add to.</summary>
    public void PrepareGradients()
    {
        if (gradients.Count > 0) return;
        foreach (var parameter in parameters.All)
        {
            var view = View(parameters.GradientPointer + parameter.Offset, parameter.Shape, requiresGrad: false);
            gradients[parameter.Name] = view;
            if (shared) leaves[parameter.Name].grad = view;
        }
    }

    /// <summary>After a backward pass: adds the leaves' gradients to the master's and empties them.</summary>
    public void CollectGradients()
    {
        if (shared) return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var (name, leaf) in leaves)
        {
            if (leaf.grad is not { } gradient) continue;
            gradients[name].add_(gradient.to(CPU));
            leaf.grad = null;
        }
    }

    public void Dispose()
    {
        foreach (var tensor in (IEnumerable<Tensor>)[.. leaves.Values, .. values.Values, .. gradients.Values]) tensor.Dispose();
    }

    /// <summary>A tensor over memory that is not its own (no deleter), which TorchSharp offers for managed arrays only.</summary>
    private static Tensor View(float* start, int[] shape, bool requiresGrad)
    {
        var create = (delegate* unmanaged[Cdecl]<nint, nint, long*, int, sbyte, sbyte, int, int, byte, nint>)TorchRuntime.Export("THSTensor_new");
        var lengths = stackalloc long[shape.Length];
        for (var i = 0; i < shape.Length; i++) lengths[i] = shape[i];
        const sbyte type = (sbyte)ScalarType.Float32;
        var handle = create((nint)start, 0, lengths, shape.Length, type, type, (int)DeviceType.CPU, -1, requiresGrad ? (byte)1 : (byte)0);
        if (handle == 0) throw new InvalidOperationException($"libtorch made no tensor of shape ({string.Join(", ", shape)}) over existing memory.");
        return Tensor.UnsafeCreateTensor(handle).DetachFromDisposeScope();
    }
}
