using TorchSharp;

namespace Gpt35.Model.Torch.Tests;

/// <summary>What the torch backend relies on in TorchSharp, and the contract that it shares with the cpu backend.</summary>
public class TorchDecoderTests
{
    private static readonly ForwardRequest LogProb = new() { LogProb = true };

    [Fact]
    public void A_model_made_inside_a_dispose_scope_outlives_it()
    {
        Support.RequireTorch();
        using var model = Support.Shaken(Support.Llama, 1);
        TorchDecoder shared, copied;
        using (torch.NewDisposeScope()) (shared, copied) = (Support.Torch(model), Support.Torch(model, shared: false));
        var batch = Support.Batch(model.Config, 1, 4, 6);
        Assert.Equal(Support.Run(shared, batch, LogProb).LogProb, Support.Run(copied, batch, LogProb).LogProb);
        shared.Dispose();
        copied.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Passes_leave_no_tensors_behind(bool shared)
    {
        using var model = Support.Shaken(Support.Llama with { SlidingWindow = 3, ResidDropout = 0.1f }, 2);
        using var torch = Support.Torch(model, shared: shared);
        var batch = Support.Batch(model.Config, 3, 5, 9, 9);
        long LiveAfterPass()
        {
            Support.Run(torch, batch, new ForwardRequest { LogProb = true, Entropy = true, DropoutKeys = [5, 6, 7] });
            torch.Forward(batch, LogProb);
            return DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        }
        LiveAfterPass();                                                        // gradients come into being
        var live = LiveAfterPass();
        for (var i = 0; i < 5; i++) Assert.Equal(live, LiveAfterPass());
    }

    [Fact]
    public void Gradients_of_micro_batches_add_up_in_the_master_and_start_anew_when_it_is_emptied()
    {
        foreach (var shared in (bool[])[true, false])
        {
            using var model = Support.Shaken(Support.Gpt, 3);
            using var torch = Support.Torch(model, shared: shared);
            TokenBatch first = Support.Batch(model.Config, 1, 6, 4), second = Support.Batch(model.Config, 2, 9);
            var (a, b) = (Support.Run(torch, first, LogProb).Gradients, Support.Run(torch, second, LogProb).Gradients);
            Support.Run(torch, first, LogProb);
            var both = Support.Run(torch, second, LogProb, clear: false).Gradients;
            Assert.InRange(Support.Difference(both, [.. a.Zip(b, (x, y) => x + y)]), 0, 1e-6);
            Assert.Equal(a, Support.Run(torch, first, LogProb).Gradients);       // the same pass, the same bits
        }
    }

    [Fact]
    public void A_pass_without_a_way_back_keeps_no_graph_and_leaves_the_threads_mode_alone()
    {
        using var model = Support.Shaken(Support.Gpt, 4);
        using var backend = Support.Torch(model);
        var batch = Support.Batch(model.Config, 1, 6);
        Assert.True(torch.is_grad_enabled());
        backend.Forward(batch, LogProb);
        Assert.True(torch.is_grad_enabled());
        Assert.Contains("ForBackward", Assert.Throws<InvalidOperationException>(() => backend.Backward(new TokenGradients { LogProb = [1] })).Message);
        using (torch.no_grad())
        {
            Support.Run(backend, batch, LogProb);                               // asks for its own mode
            Assert.False(torch.is_grad_enabled());
        }
        Assert.Contains("only once", Assert.Throws<InvalidOperationException>(() => backend.Backward(new TokenGradients { LogProb = [1] })).Message);
    }

    [Fact]
    public void A_tied_output_is_one_parameter_with_both_gradients()
    {
        using var tied = Support.Shaken(Support.Gpt, 5);
        using var untied = Support.Shaken(Support.Gpt with { TieWordEmbeddings = false }, 5);
        untied.Parameters.CopyFrom(tied.Parameters);
        var table = tied.Parameters[DecoderLayout.TokenEmbedding];
        tied.Parameters.ValuesOf(table).CopyTo(untied.Parameters.ValuesOf(untied.Parameters[DecoderLayout.OutputHead]));
        using TorchDecoder one = Support.Torch(tied), two = Support.Torch(untied);
        var batch = Support.Batch(tied.Config, 6, 8, 3);
        var both = Support.Run(one, batch, LogProb);
        var apart = Support.Run(two, batch, LogProb);
        Assert.Equal(apart.LogProb, both.LogProb);
        var sum = Slice(untied, DecoderLayout.TokenEmbedding).Zip(Slice(untied, DecoderLayout.OutputHead), (x, y) => x + y).ToArray();
        Assert.InRange(Support.Difference(Slice(tied, DecoderLayout.TokenEmbedding), sum), 0, 1e-6);

        static float[] Slice(Decoder model, string name) => model.Parameters.GradientsOf(model.Parameters[name]).ToArray();
    }

    [Fact]
    public void What_the_cpu_backend_refuses_is_refused_alike()
    {
        using var language = Support.Shaken(Support.Gpt, 6);
        using var scoring = Support.Shaken(Support.Gpt with { NumScalars = 1 }, 6);
        using TorchDecoder torch = Support.Torch(language), scores = Support.Torch(scoring);
        var tooLong = Support.Batch(Support.Gpt, 1, 21);
        var unknown = new TokenBatchBuilder().AddCompletion([1, 2, 23], 1).Build();
        var nothing = new TokenBatchBuilder().AddCompletion([1], 1).Build();
        var fine = Support.Batch(Support.Gpt, 1, 5);
        foreach (var (cpu, on, batch, what) in new (ITrainableModel, ITrainableModel, TokenBatch, ForwardRequest)[]
        {
            (language, torch, tooLong, LogProb), (language, torch, unknown, LogProb), (language, torch, nothing, LogProb),
            (language, torch, fine, new ForwardRequest { Scalars = true }), (scoring, scores, fine, LogProb),
        })
        {
            var expected = Assert.ThrowsAny<Exception>(() => cpu.Forward(batch, what));
            var found = Assert.ThrowsAny<Exception>(() => on.Forward(batch, what));
            Assert.Equal((expected.GetType(), expected.Message), (found.GetType(), found.Message));
        }
        torch.Forward(fine, LogProb with { ForBackward = true });
        Assert.Contains("entropy", Assert.Throws<InvalidOperationException>(() => torch.Backward(new TokenGradients { Entropy = new float[fine.ScoredCount] })).Message);
    }
}
