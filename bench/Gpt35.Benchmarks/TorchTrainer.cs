using Gpt35.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Gpt35.Benchmarks;

/// <summary>The peer's training: <see cref="TorchGpt"/>, cross_entropy, AdamW, zero_grad, clip_grad_norm_, a dispose scope per step. In bf16 all weights are.</summary>
internal sealed class TorchTrainer : TrainingSteps.ITrainer
{
    private readonly TorchGpt model;
    private readonly optim.Optimizer optimizer;
    private readonly Tensor inputs, targets;

    public TorchTrainer(TrainingShape shape, bool bf16)
    {
        TorchRuntime.Load();
        set_num_threads(Environment.ProcessorCount);
        manual_seed(1);
        model = new TorchGpt(shape);
        if (bf16) model.to(ScalarType.BFloat16);
        optimizer = optim.AdamW(model.parameters(), TrainingSteps.LearningRate, TrainingSteps.Beta1, TrainingSteps.Beta2, weight_decay: TrainingSteps.WeightDecay);
        using var ids = tensor(TrainingSteps.Ids(shape)).view(shape.Sequences, shape.Context + 1);
        inputs = ids.narrow(1, 0, shape.Context).contiguous();                                          // (B, T)
        targets = ids.narrow(1, 1, shape.Context).contiguous().view(-1);                                // (B·T)
    }

    public double Step()
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var logits = model.call(inputs);                                                                // (B, T, V)
        var loss = functional.cross_entropy(logits.view(-1, logits.size(2)).to(ScalarType.Float32), targets);
        loss.backward();
        nn.utils.clip_grad_norm_(model.parameters(), TrainingSteps.Clip);
        optimizer.step();
        return loss.item<float>();
    }

    public void Dispose()
    {
        optimizer.Dispose();
        model.Dispose();
        inputs.Dispose();
        targets.Dispose();
    }
}
