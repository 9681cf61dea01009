using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Cli.Terminal;

/// <summary>A plan on a machine, as it is shown.</summary>
/// <param name="Title">What was planned.</param>
/// <param name="Preset">The preset it is, if it is one.</param>
/// <param name="Plan">Memory and operations.</param>
/// <param name="Machine">Where it would run.</param>
/// <param name="Devices">How many of them.</param>
/// <param name="Price">Per device and hour; null: not given.</param>
internal sealed record PlanReport(string Title, ModelPreset? Preset, Plan Plan, Machine Machine, int Devices, double? Price)
{
    public bool Fits => Plan.TotalMemory <= Machine.MemoryBytes;

    /// <summary>Tokens of training that a size is worth most with (Hoffmann et al. 2022).</summary>
    public double OptimalTokens => ComputeCost.OptimalTokensPerParameter * Parameters;

    public long Parameters => MemoryUse.CountOf(Plan.Work.Model);

    /// <summary>Seconds that so many operations take; work shared without loss.</summary>
    public double Seconds(double flops) => flops / (Devices * Machine.Sustained(Plan.Work.Format));

    /// <summary>What so many seconds cost; null without a price.</summary>
    public double? Cost(double seconds) => Price * Devices * seconds / 3600;

    public IReadOnlyList<Suggestion> Suggestions => Fits ? [] : PlanAdvice.For(Plan, Machine.MemoryBytes);

    /// <summary>The amounts of training worth showing: the one asked for or published, and for a model as such the compute-optimal one.</summary>
    public IEnumerable<(string What, double Tokens, double Flops)> Trainings()
    {
        var plan = Plan;
        if (!double.IsNaN(plan.TotalFlops)) yield return (plan.Work.Kind switch
        {
            WorkloadKind.Model => Preset?.Training?.Tokens == plan.Work.Tokens ? "as published" : "as asked",
            WorkloadKind.Ppo => "the recipe",
            _ => "the recipe",
        }, plan.Work.Tokens, plan.TotalFlops);
        if (plan.Work.Kind is WorkloadKind.Model or WorkloadKind.Pretrain) yield return ("compute-optimal", OptimalTokens, OptimalTokens * plan.TrainingFlops);
    }
}
