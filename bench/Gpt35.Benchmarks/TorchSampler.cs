using Gpt35.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Gpt35.Benchmarks;

/// <summary>
/// The peer's generation, as one writes it over a model without a cache: all rows side by side, padded on the right, where a causal model never looks;
/// every step passes everything so far through the model and draws one token per row, until all rows have ended. Nothing is kept for gradients.
/// </summary>
internal sealed class TorchSampler : RolloutRounds.ISampler
{
    private readonly TorchGpt model;
    private readonly Tensor prompts, lengths;
    private readonly RolloutRound round;

    public TorchSampler(TrainingShape shape, RolloutRound round)
    {
        TorchRuntime.Load();
        set_num_threads(Environment.ProcessorCount);
        manual_seed(1);
        this.round = round;
        model = new TorchGpt(shape);
        model.eval();
        var longest = round.Prompts.Max(prompt => prompt.Length);
        long[] ids = [.. round.Prompts.SelectMany(prompt => Enumerable.Range(0, longest + round.MaxTokens).Select(i => i < prompt.Length ? (long)prompt[i] : 0))];
        prompts = tensor(ids).view(round.Prompts.Length, longest + round.MaxTokens);                    // (B, T)
        lengths = tensor(round.Prompts.Select(prompt => (long)prompt.Length).ToArray());                // (B,)
    }

    public int Round(int seed)
    {
        using var noGradients = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(seed);
        var ids = prompts.clone();
        var ends = lengths.clone();
        var running = ones_like(ends);
        for (var step = 0; step < round.MaxTokens && running.any().item<bool>(); step++)
        {
            using var inner = NewDisposeScope();
            var logits = model.Next(ids.narrow(1, 0, ends.max().item<long>()), ends - 1);               // (B, V)
            var next = multinomial(functional.softmax(logits, 1), 1);                                   // (B, 1)
            ids.scatter_(1, ends.unsqueeze(1), next);
            ends.add_(running);
            running.mul_(next.squeeze(1).ge(round.StopTokens));
        }
        return (int)(ends - lengths).sum().item<long>();
    }

    public void Dispose()
    {
        model.Dispose();
        prompts.Dispose();
        lengths.Dispose();
    }
}
