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

        var smaller = Passes(work, available);
        if (smaller != work) Add($"{PassName(work)} {Passage(work, smaller.MicroTokens)} instead of {Passage(work, work.MicroTokens)}", smaller);
        if (work is { ActivationCheckpointing: false, Format: Dtype.Fp32 } && work.Kind != WorkloadKind.Model)
        {
            var again = work with { ActivationCheckpointing = true };
            Add("activation_checkpointing: true, for a quarter more time", again);
            var passes = Passes(again, available);
            if (passes != again) Add($"activation_checkpointing: true and {PassName(work)} {Passage(work, passes.MicroTokens)}", passes);
        }
        if (Contexts(smaller, available) is var shorter && shorter != smaller) Add(Shortened(work, shorter.Context), shorter);
        var adapter = work.Lora is null && work.Kind != WorkloadKind.Pretrain ? Adapted(work) : null;
        if (adapter is not null)
        {
            var name = $"lora: {{rank: {adapter.Lora!.Rank}}}";
            Add(name, adapter);
            var passes = Passes(adapter, available);
            if (passes != adapter) Add($"{name} and {PassName(work)} {Passage(work, passes.MicroTokens)}", passes);
            if (Contexts(passes, available) is var both && both != passes) Add($"{name} and {Shortened(work, both.Context)}", both);
        }
        if (work.Kept == Dtype.Fp32) Add("--backend torch --dtype bf16", work with { Format = Dtype.Bf16, KeepsFormat = true });
        if (work.Kind is WorkloadKind.Pretrain or WorkloadKind.Model && SmallerPreset(work, available) is var (preset, other)) Add($"the preset {preset}", other);
        return found;
    }

    /// <summary>The largest pass, halved again and again, that fits; the smallest one where none does.</summary>
    private static Workload Passes(Workload work, long available)
    {
        while (work.MicroTokens > Math.Max(work.Context, SmallestPass) && Plan.Of(work).TotalMemory > available)
            work = work with { MicroTokens = Math.Max(work.Context, work.MicroTokens / 2), Slots = work.Kind == WorkloadKind.Model ? Math.Max(1, work.Slots / 2) : work.Slots };
        return work;
    }

    /// <summary>As <see cref="Passes"/>, with passes of one sequence that is shorter.</summary>
    private static Workload Contexts(Workload work, long available)
    {
        var shorter = work;
        while (shorter.Context > SmallestPass && Plan.Of(shorter).TotalMemory > available)
            shorter = shorter with { Context = shorter.Context / 2, MicroTokens = shorter.Context / 2 };
        return shorter;
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

    /// <summary>The longest sequence cut to <paramref name="context"/> tokens, a pass being one of them.</summary>
    private static string Shortened(Workload work, int context) => work.Kind switch
    {
        WorkloadKind.Model => $"--context {context}",
        WorkloadKind.Pretrain => $"model.max_position_embeddings: {context}",
        _ => $"sequences of at most {context} tokens",
    };

    private static string PassName(Workload work) => work.Kind switch
    {
        WorkloadKind.Model => "--batch",
        WorkloadKind.Pretrain or WorkloadKind.Sft => "batch.micro_tokens:",
        _ => "micro_tokens:",
    };

    private static string Passage(Workload work, int tokens) => work.Kind == WorkloadKind.Model ? $"{tokens / work.Context}" : $"{tokens}";
}
