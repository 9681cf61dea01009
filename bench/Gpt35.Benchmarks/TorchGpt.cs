using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Gpt35.Benchmarks;

/// <summary>The peer's model: a decoder as one writes it with TorchSharp: modules, scaled_dot_product_attention with its causal flag; the output tied by using the embedding's weight.</summary>
internal sealed class TorchGpt : Module<Tensor, Tensor>
{
    private readonly Embedding tokens, positions;
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;

    public TorchGpt(TrainingShape shape) : base(nameof(TorchGpt))
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

    /// <summary>Logits of every place, (B, T) -> (B, T, V).</summary>
    public override Tensor forward(Tensor ids) => functional.linear(norm.call(Blocks(ids)), tokens.weight!);

    /// <summary>Logits after place <paramref name="last"/>, (B,), of each row, (B, V): as nanoGPT generates, the other places do without the vocabulary.</summary>
    public Tensor Next(Tensor ids, Tensor last)
    {
        var x = Blocks(ids);
        var ends = x.gather(1, last.view(-1, 1, 1).expand(-1, 1, x.size(2))).squeeze(1);               // (B, D)
        return functional.linear(norm.call(ends), tokens.weight!);
    }

    private Tensor Blocks(Tensor ids)
    {
        var x = tokens.call(ids) + positions.call(arange(ids.size(1)));
        foreach (var block in blocks) x = block.call(x);
        return x;
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
