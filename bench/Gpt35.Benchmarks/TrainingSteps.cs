using System.Diagnostics;
using System.Text.Json;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Benchmarks;

/// <summary>One contestant's training steps in this process. All have the same tokens, the same initial scale and the same optimizer settings; two steps warm up.</summary>
internal static class TrainingSteps
{
    public const double LearningRate = 3e-4, Beta1 = 0.9, Beta2 = 0.95, WeightDecay = 0.1, Clip = 1;
    private const int WarmUp = 2, FewestSteps = 3;

    /// <summary>What a run prints.</summary>
    internal sealed record Result(double TokensPerSecond, double Megabytes, double FirstLoss, double LastLoss, int Steps);

    public static void Run(Contestant who, TrainingShape shape, double seconds)
    {
        using var trainer = who is Contestant.Ours or Contestant.OursBf16
            ? (ITrainer)new OurTrainer(shape, who == Contestant.OursBf16 ? Dtype.Bf16 : Dtype.Fp32)
            : new TorchTrainer(shape, bf16: who == Contestant.TorchBf16);
        var first = trainer.Step();
        for (var i = 1; i < WarmUp; i++) trainer.Step();
        var times = new List<double>();
        double loss = 0;
        while (times.Count < FewestSteps || times.Sum() < seconds)
        {
            var start = Stopwatch.GetTimestamp();
            loss = trainer.Step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        using var process = Process.GetCurrentProcess();
        var result = new Result(shape.Tokens / TrainingBenchmarks.Median(times), process.PeakWorkingSet64 / 1048576.0, first, loss, WarmUp + times.Count);
        Console.WriteLine(JsonSerializer.Serialize(result, new JsonSerializerOptions(JsonSerializerDefaults.Web)));
    }

    /// <summary>Ids of the step's sequences, one more each than the context: (B, T + 1), the same for everyone. Zipf-like, so that there is something to learn.</summary>
    public static long[] Ids(TrainingShape shape) =>
        [.. Enumerable.Range(0, shape.Sequences * (shape.Context + 1)).Select(i => (long)(Math.Pow(CounterRandom.Uniform(7, (ulong)i), 3) * shape.Vocabulary))];

    /// <summary>Does one optimizer step and returns its loss.</summary>
    internal interface ITrainer : IDisposable
    {
        double Step();
    }

    internal sealed class OurTrainer : ITrainer
    {
        private readonly WorkerPool pool = new();
        private readonly Decoder model;
        private readonly Optimizer optimizer;
        private readonly TokenBatch batch;
        private readonly float[] gradients;
        private PoolProfile? profile;

        public OurTrainer(TrainingShape shape, Dtype dtype)
        {
            model = Decoder.Create(shape.Config, seed: 1, pool);
            model.Dtype = dtype;
            optimizer = new Optimizer(model.Parameters, new OptimizerOptions { Lr = LearningRate, Beta1 = Beta1, Beta2 = Beta2, WeightDecay = WeightDecay, Clip = Clip }, pool);
            var ids = Ids(shape);
            int[] At(int shift) => [.. Enumerable.Range(0, shape.Tokens).Select(i => (int)ids[i / shape.Context * (shape.Context + 1) + i % shape.Context + shift])];
            int[] starts = [.. Enumerable.Range(0, shape.Sequences + 1).Select(i => i * shape.Context)];
            batch = new TokenBatch { Tokens = At(0), Targets = At(1), SequenceStarts = starts, ScoredRows = [.. Enumerable.Range(0, shape.Tokens)], ScoredStarts = starts };
            gradients = new float[shape.Tokens];
            Array.Fill(gradients, -1f / shape.Tokens);
        }

        public int Threads => pool.Threads;

        /// <summary>Keeps the times of all kernels from now on, by pass.</summary>
        public void Observe(PoolProfile observer) => pool.Profile = profile = observer;

        public double Step()
        {
            double loss = 0;
            profile?.Phase = "forward";
            foreach (var logProb in model.Forward(batch, new ForwardRequest { LogProb = true, ForBackward = true, LogProbGradient = gradients }).LogProb) loss -= logProb / batch.ScoredCount;
            profile?.Phase = "backward";
            model.Backward(new TokenGradients { LogProb = gradients });
            profile?.Phase = "optimizer";
            optimizer.Step(LearningRate);
            return loss;
        }

        public void Dispose()
        {
            optimizer.Dispose();
            model.Dispose();
            pool.Dispose();
        }
    }
}
