namespace Gpt35.Training;

/// <summary>
/// Which examples each optimizer step sees: every epoch is a fresh permutation, cut or packed into steps by a budget. The plan is a function of
/// the sizes, the recipe's batch and the seed alone, so the step number is all the cursor a checkpoint needs.
/// </summary>
internal sealed class BatchPlan
{
    private readonly List<int[]> steps;

    private BatchPlan(List<int[]> steps) => this.steps = steps;

    public int StepCount => steps.Count;

    /// <summary>Examples of a step, in training order.</summary>
    public IReadOnlyList<int> this[int step] => steps[step];

    /// <summary>As many steps as it takes to see everything <paramref name="epochs"/> times; only the last step may be short of the budget.</summary>
    /// <param name="sizes">Size of each example, in the unit of the budget.</param>
    /// <param name="budget">Most a step may hold; an example larger than that is a step of its own.</param>
    /// <param name="epochs">Passes over the examples.</param>
    /// <param name="seed">Key of the permutations.</param>
    public static BatchPlan ForEpochs(IReadOnlyList<int> sizes, long budget, int epochs, ulong seed) =>
        new([.. Steps(sizes, budget, seed).TakeWhile(step => step.FirstEpoch < epochs).Select(step => step.Examples(epochs))]);

    /// <summary>Exactly <paramref name="count"/> steps, passing over the examples as often as needed.</summary>
    public static BatchPlan ForSteps(IReadOnlyList<int> sizes, long budget, int count, ulong seed) =>
        new([.. Steps(sizes, budget, seed).Take(count).Select(step => step.Examples(int.MaxValue))]);

    /// <summary>As <see cref="ForEpochs(IReadOnlyList{int}, long, int, ulong)"/>, filled as the options say.</summary>
    public static BatchPlan ForEpochs(IReadOnlyList<int> sizes, BatchOptions batch, int epochs, ulong seed) => batch.Fill == BatchFill.InOrder
        ? ForEpochs(sizes, batch.Tokens, epochs, seed)
        : new([.. Enumerable.Range(0, epochs).SelectMany(epoch => BestFitSteps(sizes, batch, epoch, seed))]);

    /// <summary>As <see cref="ForSteps(IReadOnlyList{int}, long, int, ulong)"/>, filled as the options say.</summary>
    public static BatchPlan ForSteps(IReadOnlyList<int> sizes, BatchOptions batch, int count, ulong seed) => batch.Fill == BatchFill.InOrder
        ? ForSteps(sizes, batch.Tokens, count, seed)
        : new([.. Enumerable.Range(0, int.MaxValue).SelectMany(epoch => BestFitSteps(sizes, batch, epoch, seed)).Take(count)]);

    /// <summary>Cuts a step's examples, in order, into micro-batches of at most <paramref name="budget"/>; a larger example travels alone.</summary>
    public static IEnumerable<IReadOnlyList<int>> MicroBatches(IEnumerable<int> examples, Func<int, int> size, long budget)
    {
        var group = new List<int>();
        long held = 0;
        foreach (var example in examples)
        {
            if (group.Count > 0 && held + size(example) > budget)
            {
                yield return group;
                group = [];
                held = 0;
            }
            group.Add(example);
            held += size(example);
        }
        if (group.Count > 0) yield return group;
    }

    /// <summary>The same groups, each with whether none comes after it.</summary>
    public static IEnumerable<(IReadOnlyList<int> Group, bool IsLast)> MarkLast(IEnumerable<IReadOnlyList<int>> groups)
    {
        IReadOnlyList<int>? before = null;
        foreach (var group in groups)
        {
            if (before is not null) yield return (before, false);
            before = group;
        }
        if (before is not null) yield return (before, true);
    }

    /// <summary>An epoch's permutation, packed into steps and each step into micro-batches.</summary>
    private static IEnumerable<int[]> BestFitSteps(IReadOnlyList<int> sizes, BatchOptions batch, int epoch, ulong seed)
    {
        if (sizes.Count == 0) throw new ArgumentException("There is nothing to plan for.", nameof(sizes));
        var order = RandomStreams.Permutation(sizes.Count, RandomStreams.Key(seed, RandomStream.Shuffle, (ulong)epoch));
        return BestFit.Pack(order, i => sizes[i], batch.Tokens)
            .Select(step => BestFit.Pack(step, i => sizes[i], batch.MicroTokens).SelectMany(micro => micro).ToArray());
    }

    private static IEnumerable<Step> Steps(IReadOnlyList<int> sizes, long budget, ulong seed)
    {
        if (sizes.Count == 0) throw new ArgumentException("There is nothing to plan for.", nameof(sizes));
        var step = new Step([]);
        long held = 0;
        for (var epoch = 0; ; epoch++)
        {
            foreach (var example in RandomStreams.Permutation(sizes.Count, RandomStreams.Key(seed, RandomStream.Shuffle, (ulong)epoch)))
            {
                if (step.Members.Count > 0 && held + sizes[example] > budget)
                {
                    yield return step;
                    step = new Step([]);
                    held = 0;
                }
                step.Members.Add((example, epoch));
                held += sizes[example];
            }
        }
    }

    private sealed record Step(List<(int Example, int Epoch)> Members)
    {
        public int FirstEpoch => Members[0].Epoch;

        /// <summary>The members that belong to one of the first <paramref name="epochs"/> epochs.</summary>
        public int[] Examples(int epochs) => [.. Members.Where(member => member.Epoch < epochs).Select(member => member.Example)];
    }
}
