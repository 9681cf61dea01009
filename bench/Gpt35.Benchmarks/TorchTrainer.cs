using Gpt35.Model.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Gpt35.Benchmarks;

/// <summary>
/// The peer: a decoder as one writes it with TorchSharp: modules, scaled_dot_product_attention with its causal flag, cross_entropy,
/// AdamW, zero_grad, clip_grad_norm_, a dispose scope per step; the output tied by using the embedding's weight. In bf16 all weights are.
/// </summary>
internal sealed class TorchTrainer : TrainingSteps.ITrainer
{
    private readonly Gpt model;
    private readonly optim.Optimizer optimizer;
    private readonly Tensor inputs, targets;

    public TorchTrainer(TrainingShape shape, bool bf16)
    {
        TorchRuntime.Load();
        set_num_threads(Environment.ProcessorCount);
        manual_seed(1);
        model = new Gpt(shape);
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

    private sealed class Gpt : Module<Tensor, Tensor>
    {
        private readonly Embedding tokens, positions;
        private readonly ModuleList<Block> blocks;
        private readonly LayerNorm norm;

        public Gpt(TrainingShape shape) : base(nameof(Gpt))
        {
            tokens = Embedding(shape.Vocabulary, shape.Width);
            positions = Embedding(shape.Context, shape.Width);
            blocks = new ModuleList<Block>([.. Enumerable.Range(0, shape.Layers).Select(_ => new Block(shape))]);
            norm = LayerNorm(shape.Width);
            RegisterComponents();
            // GPT-2's initial scale, as ours has it.
            foreach (var (name, parameter) in named_parameters())
                if (parameter.dim() == 2) init.normal_(parameter, 0, name.EndsWith("out.weight") || name.EndsWith("down.weight") ? 0.02 / Math.Sqrt(2 * shape.Layers) : 0.02);
                else if (name.EndsWith("bias")) init.zeros_(parameter);
        }

        public override Tensor forward(Tensor ids)
        {
            var x = tokens.call(ids) + positions.call(arange(ids.size(1)));
            foreach (var block in blocks) x = block.call(x);
            return functional.linear(norm.call(x), tokens.weight!);
        }
    }

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly int heads;
        private readonly LayerNorm norm1, norm2;
        private readonly Linear qkv, @out, up, down;

        public Block(TrainingShape shape) : base(nameof(Block))
        {
            heads = shape.Heads;
            (norm1, norm2) = (LayerNorm(shape.Width), LayerNorm(shape.Width));
            (qkv, @out) = (Linear(shape.Width, 3 * shape.Width), Linear(shape.Width, shape.Width));
            (up, down) = (Linear(shape.Width, 4 * shape.Width), Linear(4 * shape.Width, shape.Width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            x = x + Attention(norm1.call(x));
            return x + down.call(functional.gelu(up.call(norm2.call(x)), TorchSharp.Modules.GELU.Approximate.tanh));
        }

        private Tensor Attention(Tensor x)
        {
            long b = x.size(0), t = x.size(1), d = x.size(2);
            var parts = qkv.call(x).view(b, t, 3, heads, d / heads).permute(2, 0, 3, 1, 4);              // (3, B, H, T, K)
            var attended = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_casual: true);
            return @out.call(attended.transpose(1, 2).reshape(b, t, d));
        }
    }
}
