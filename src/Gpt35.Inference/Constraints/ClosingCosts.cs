namespace Gpt35.Inference.Constraints;

/// <summary>
/// The fewest bytes that lead from a state to the end of its rule, when at most so many objects and arrays may still be opened within each other.
/// Tells whether a state can still come to an end at all, and how long that takes.
/// <para>c(s) = 0 at the end; 1 + c(t) over a byte; c(t) over a skip; c(first state of r; depth − [r nests]) + c(t) over a call; the least of these.</para>
/// </summary>
internal sealed class ClosingCosts
{
    /// <summary>No way to the end. Small enough to add a few.</summary>
    public const int Never = 1 << 28;

    private readonly Nfa nfa;
    private readonly List<int>[] dependents;               // by state: those whose cost depends on it
    private readonly List<int[]> byDepth = [];

    public ClosingCosts(Nfa nfa, int maxDepth)
    {
        this.nfa = nfa;
        dependents = FindDependents();
        for (var depth = 0; depth <= maxDepth; depth++)
        {
            byDepth.Add(Solve(depth));
            // What one more level does not change, no further level does.
            if (depth > 0 && byDepth[depth].AsSpan().SequenceEqual(byDepth[depth - 1])) break;
        }
    }

    public int Of(int state, int depth) => byDepth[Math.Min(depth, byDepth.Count - 1)][state];

    /// <summary>Costs fall from those of the level before, or from "never", until nothing changes; a state is looked at again when one that it depends on has changed.</summary>
    private int[] Solve(int depth)
    {
        var costs = new int[nfa.States.Count];
        if (depth == 0) Array.Fill(costs, Never);
        else byDepth[depth - 1].CopyTo(costs, 0);
        var waiting = new Queue<int>(Enumerable.Range(0, costs.Length).Where(state => nfa.States[state] is { Accepts: true } or { Call.Rule.Nests: true }));
        while (waiting.TryDequeue(out var state))
        {
            var cost = Cost(nfa.States[state], costs, depth);
            if (cost >= costs[state]) continue;
            costs[state] = cost;
            foreach (var dependent in dependents[state]) waiting.Enqueue(dependent);
        }
        return costs;
    }

    private int Cost(Nfa.State state, int[] costs, int depth)
    {
        var cost = state.Accepts ? 0 : Never;
        foreach (var (_, _, target) in state.Edges) cost = Math.Min(cost, 1 + costs[target]);
        foreach (var target in state.Skips) cost = Math.Min(cost, costs[target]);
        if (state.Call is not var (rule, back)) return cost;
        var start = nfa.Starts[rule];
        var callee = !rule.Nests ? costs[start] : depth == 0 ? Never : byDepth[depth - 1][start];
        return Math.Min(cost, callee + costs[back]);
    }

    private List<int>[] FindDependents()
    {
        var found = new List<int>[nfa.States.Count];
        for (var i = 0; i < found.Length; i++) found[i] = new(1);
        for (var i = 0; i < found.Length; i++)
        {
            var state = nfa.States[i];
            foreach (var (_, _, target) in state.Edges) found[target].Add(i);
            foreach (var target in state.Skips) found[target].Add(i);
            if (state.Call is not var (rule, back)) continue;
            found[back].Add(i);
            if (!rule.Nests) found[nfa.Starts[rule]].Add(i);
        }
        return found;
    }
}
