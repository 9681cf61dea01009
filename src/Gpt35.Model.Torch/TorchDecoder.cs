using Gpt35.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Gpt35.Model.Torch;

/// <summary>
/// The decoder of every family on libtorch: the same interface and, in fp32, the same numbers as the <c>cpu</c> backend, dropout included; the forward pass is
/// <see cref="TorchPass"/>, the backward pass is autograd's. With <see cref="Dtype.Bf16"/> matrices are multiplied in bfloat16 and attention
/// is computed in it; weights, gradients, the residual stream, norms, softmax and losses stay fp32. One thread at a time.
/// </summary>
public sealed class TorchDecoder : ITrainableModel
{
    private readonly TorchWeights weights;
    private readonly TorchPass pass;
    private readonly Device device;
    private Tensor? logProb, entropy, scalars;

    /// <summary>A model over the weights of another, which stay where they are.</summary>
    /// <param name="config">Shape of the model.</param>
    /// <param name="parameters">Its weights and gradients; must outlive this object, which does not free them.</param>
    /// <param name="dtype">What matrices are multiplied in.</param>
    /// <param name="pool">Makes the dropout masks; libtorch takes as many threads.</param>
    /// <exception cref="InvalidDataException">libtorch cannot be loaded.</exception>
    public TorchDecoder(ModelConfig config, ParameterSet parameters, Dtype dtype, WorkerPool pool)
        : this(config, parameters, dtype, pool, deviceName: null, shared: null) { }

    /// <param name="config">Shape of the model.</param>
    /// <param name="parameters">Its weights and gradients.</param>
    /// <param name="dtype">What matrices are multiplied in.</param>
    /// <param name="pool">Makes the dropout masks.</param>
    /// <param name="deviceName">As libtorch writes it: cpu, cuda, cuda:1; null: the first GPU, or the processor where there is none.</param>
    /// <param name="shared">Whether libtorch works in the memory of <paramref name="parameters"/>; null: where it can, which is on the processor.</param>
    internal TorchDecoder(ModelConfig config, ParameterSet parameters, Dtype dtype, WorkerPool pool, string? deviceName, bool? shared)
    {
        config.Validate();
        (Config, Parameters) = (config, parameters);
        TorchRuntime.Load();
        set_num_threads(pool.Threads);
        device = torch.device(deviceName ?? (cuda.is_available() ? "cuda" : "cpu"));
        weights = new TorchWeights(parameters, device, shared ?? device.type == DeviceType.CPU);
        pass = new TorchPass(config, weights, dtype == Dtype.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32, device, pool);
    }

    public ModelConfig Config { get; }
    public ParameterSet Parameters { get; }

    public TokenScores Forward(TokenBatch batch, ForwardRequest what)
    {
        ForwardCheck.Require(Config, batch, what);
        Forget();
        weights.Refresh();
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(what.ForBackward);
        (logProb, entropy, scalars) = pass.Run(new BatchTensors(batch, what.DropoutKeys, device), what);
        var scores = new TokenScores { LogProb = Numbers(logProb), Entropy = Numbers(entropy), Scalars = Numbers(scalars) };
        if (!what.ForBackward) (logProb, entropy, scalars) = (null, null, null);
        // The graph hangs on these; everything else of the pass that backward needs, autograd keeps.
        foreach (var kept in (ReadOnlySpan<Tensor?>)[logProb, entropy, scalars]) kept?.DetachFromDisposeScope();
        return scores;
    }

    public void Backward(in TokenGradients gradients)
    {
        if ((logProb ?? scalars) is null)
            throw new InvalidOperationException("Backward needs a Forward with ForBackward before it, and only once.");
        if (!gradients.Entropy.IsEmpty && entropy is null)
            throw new InvalidOperationException("A gradient of the entropy needs a Forward that was asked for it.");
        weights.PrepareGradients();
        using (NewDisposeScope())
        {
            List<Tensor> outputs = [], seeds = [];
            Add(logProb, gradients.LogProb, outputs, seeds);
            Add(entropy, gradients.Entropy, outputs, seeds);
            Add(scalars, gradients.Scalars, outputs, seeds);
            if (outputs.Count > 0) autograd.backward(outputs, seeds);
            weights.CollectGradients();
        }
        Forget();
    }

    public void Dispose()
    {
        Forget();
        pass.Dispose();
        weights.Dispose();
    }

    private void Add(Tensor? output, ReadOnlySpan<float> gradient, List<Tensor> outputs, List<Tensor> seeds)
    {
        if (output is null || gradient.IsEmpty) return;
        outputs.Add(output);
        seeds.Add(tensor(gradient.ToArray(), output.shape, device: device));
    }

    /// <summary>Lets go of the last pass and of everything that autograd keeps for it.</summary>
    private void Forget()
    {
        foreach (var kept in (ReadOnlySpan<Tensor?>)[logProb, entropy, scalars]) kept?.Dispose();
        (logProb, entropy, scalars) = (null, null, null);
    }

    private static float[] Numbers(Tensor? found) => found is null ? [] : found.detach().to(CPU).data<float>().ToArray();
}
