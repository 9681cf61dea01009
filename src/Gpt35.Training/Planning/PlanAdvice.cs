using Gpt35.Model;

namespace Gpt35.Training;

/// <summary>A change that takes less memory.</summary>
/// <param name="What">What to change, as a reader would do it.</param>
/// <param name="Bytes">What the changed plan takes.</param>
public sealed record Suggestion(string What, long Bytes);

/// <summary>What to change about a plan that does not fit. Each suggestion is a plan of its own; nothing is estimated by rule of thumb.</summary>
public static class PlanAdvice
{
    private const int SmallestPass = 256;

    /// <summary>Changes with their effect, the mildest first; those that save nothing are left out. The last ones may not fit either.</summary>
    public static IReadOnlyList<Suggestion> For(Plan plan, long available)
    {
        var work = plan.Work;
        var found = new List<Suggestion>();
        void Add(string what, Workload changed)
        {
            var bytes = Plan.Of(changed).TotalMemory;
            if (bytes < plan.TotalMemory) found.Add(new Suggestion(what, bytes));
        }

        var (smaller, shorter) = (Passes(work, available), Contexts(work, available));
        if (smaller != work) Add($"{PassName(work)} {Passage(work, smaller.MicroTokens)} instead of {Passage(work, work.MicroTokens)}", smaller);
        if (shorter != work) Add($"sequences of at most {shorter.Context:N0} tokens instead of {work.Context:N0}, one in a pass", shorter);
        var adapter = work.Lora is null && work.Kind != WorkloadKind.Pretrain ? Adapted(work) : null;
        if (adapter is not null)
        {
            Add($"lora: {{rank: {adapter.Lora!.Rank}}}", adapter);
            if (Contexts(adapter, available) is var both && both != adapter) Add($"lora: {{rank: {adapter.Lora!.Rank}}} and sequences of at most {both.Context:N0} tokens", both);
        }
        if (work.Format == NumberFormat.Fp32) Add("--backend torch --dtype bf16", work with { Format = NumberFormat.Bf16 });
        if (work.Kind is WorkloadKind.Pretrain or WorkloadKind.Model && SmallerPreset(work, available) is var (name, smallerModel)) Add($"the preset {name}", smallerModel);
        return found;
    }

    /// <summary>The largest pass, halved again and again, that fits; the smallest one where none does.</summary>
    private static Workload Passes(Workload work, long available)
    {
        while (work.MicroTokens > Math.Max(work.Context, SmallestPass) && Plan.Of(work).TotalMemory > available)
            work = work with { MicroTokens = Math.Max(work.Context, work.MicroTokens / 2), Slots = work.Kind == WorkloadKind.Model ? Math.Max(1, work.Slots / 2) : work.Slots };
        return work;
    }

    /// <summary>As <see cref="Passes"/>, of one sequence that is cut shorter.</summary>
    private static Workload Contexts(Workload work, long available)
    {
        var one = work;
        while (one.Context > SmallestPass && Plan.Of(one with { MicroTokens = one.Context }).TotalMemory > available) one = one with { Context = one.Context / 2 };
        return one == work ? work : one with { MicroTokens = one.Context, Slots = Math.Min(one.Slots, 1) };
    }

    private static Workload Adapted(Workload work) => work with
    {
        Lora = new LoraConfig { Rank = Math.Min(8, work.Model.HiddenSize), Alpha = 16, Targets = LoraConfig.DefaultTargets(work.Model) },
    };

    private static (string Name, Workload Work)? SmallerPreset(Workload work, long available)
    {
        foreach (var preset in ModelPreset.All.Where(preset => preset.Shape is not ShapeSource.Assumed).OrderByDescending(preset => preset.ParameterCount))
        {
            var context = Math.Min(work.Context, preset.Config.MaxPositionEmbeddings);
            var changed = work with { Model = preset.Config with { VocabSize = work.Kind == WorkloadKind.Pretrain ? work.Model.VocabSize : preset.Config.VocabSize }, Context = context };
            if (MemoryUse.CountOf(changed.Model) < MemoryUse.CountOf(work.Model) && Plan.Of(changed).TotalMemory <= available) return (preset.Name, changed);
        }
        return null;
    }

    private static string PassName(Workload work) => work.Kind switch
    {
        WorkloadKind.Model => "--batch",
        WorkloadKind.Pretrain or WorkloadKind.Sft => "batch.micro_tokens:",
        _ => "micro_tokens:",
    };

    private static string Passage(Workload work, int tokens) => work.Kind == WorkloadKind.Model ? $"{tokens / work.Context}" : $"{tokens}";
}
