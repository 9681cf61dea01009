using Gpt35.Model;

namespace Gpt35.Inference.Tests.Scheduling;

/// <summary>Lets an engine take single steps: turns come in the order in which they were asked for, so between two of ours there is one of the engine's thread.</summary>
internal sealed class StepByStep : IDisposable
{
    private readonly InferenceEngine engine;
    private Turns.Turn mine;

    public StepByStep(InferenceEngine engine) => (this.engine, mine) = (engine, engine.Steps.Take());

    /// <summary>One step of an engine that has something to do.</summary>
    public void Step()
    {
        SpinWait.SpinUntil(() => engine.Steps.Count == 2);             // its thread waits behind us
        var next = Task.Run(engine.Steps.Take);
        SpinWait.SpinUntil(() => engine.Steps.Count == 3);             // and our next turn behind it
        mine.Dispose();
        mine = next.GetAwaiter().GetResult();
    }

    public void Dispose() => mine.Dispose();
}
