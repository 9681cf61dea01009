using Gpt35.Kernels;

namespace Gpt35.Model.Tests;

/// <summary>What holds while a forward and a backward pass run, not only for what they give.</summary>
public sealed class TrainingPassTests
{
    private static readonly ModelConfig Gpt = TestModels.Tiny with { NumHiddenLayers = 4 }, Llama = TestModels.TinyLlama with { NumHiddenLayers = 4 };

    /// <summary>What lets the gradients of several processes travel while the pass goes on.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void A_backward_pass_tells_layer_by_layer_what_is_complete_and_changes_nothing_of_it_afterwards(bool llama, bool checkpointing)
    {
        using var model = TestModels.Shaken(llama ? Llama : Gpt);
        model.ActivationCheckpointing = checkpointing;
        var batch = TestModels.Batch(model.Config, 4, 9, 6);
        var parameters = model.Parameters;
        var told = new List<(int Offset, float[] Gradients)>();
        parameters.GradientsComplete = offset => told.Add(((int)offset, parameters.Gradients.ToArray()));
        model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true });
        model.Backward(new TokenGradients { LogProb = [.. Enumerable.Repeat(-1f / 13, batch.ScoredCount)] });

        Assert.Equal(model.Config.NumHiddenLayers, told.Count);
        Assert.Equal(told.Select(one => one.Offset).OrderDescending().Distinct(), told.Select(one => one.Offset));
        var final = parameters.Gradients.ToArray();
        foreach (var (offset, gradients) in told)
        {
            Assert.Equal(final[offset..], gradients[offset..]);
            Assert.Contains(final[offset..], value => value != 0);
            Assert.NotEqual(final[..offset], gradients[..offset]);                 // it was told while there was more to do
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void A_warm_pass_forward_and_back_allocates_nothing(bool llama, bool checkpointing)
    {
        using var pool = new WorkerPool(2);                                // of its own: waiting for another test's job would allocate
        using var model = TestModels.Shaken((llama ? Llama : Gpt) with { ResidDropout = 0.1f }, pool: pool);
        model.ActivationCheckpointing = checkpointing;
        var batch = TestModels.Batch(model.Config, 4, 9, 6);
        float[] gradient = [.. Enumerable.Repeat(-1f / 13, batch.ScoredCount)];
        var keys = new ulong[batch.SequenceCount];
        for (var i = 0; i < 3; i++) Pass(i);
        // What a pass allocates shows in every round; what the runtime does once in a while (compiling a method again) in one of them.
        Assert.Equal(0, Enumerable.Range(0, 8).Min(round =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 3; i++) Pass(10 * round + i);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }));

        void Pass(int key)
        {
            keys.AsSpan().Fill((ulong)key);
            model.Forward(batch, new ForwardRequest { LogProb = true, Entropy = true, ForBackward = true, DropoutKeys = keys });
            model.Backward(new TokenGradients { LogProb = gradient });
            model.Parameters.ZeroGradients();
        }
    }
}
