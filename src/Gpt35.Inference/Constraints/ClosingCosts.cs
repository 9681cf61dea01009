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

    private readonly List<int[]> byDepth = [];

    public ClosingCosts(Nfa nfa, int maxDepth)
    {
        for (var depth = 0; depth <= maxDepth; depth++)
        {
            byDepth.Add(Solve(nfa, depth));
            // What one more level does not change, no further level does.
            if (depth > 0 && byDepth[depth].AsSpan().SequenceEqual(byDepth[depth - 1])) break;
        }
    }

    public int Of(int state, int depth) => byDepth[Math.Min(depth, byDepth.Count - 1)][state];

    /// <summary>Values fall from "never" until nothing changes.</summary>
    private int[] Solve(Nfa nfa, int depth)
    {
        var costs = new int[nfa.States.Count];
        Array.Fill(costs, Never);
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = 0; i < costs.Length; i++)
            {
                var state = nfa.States[i];
                var cost = state.Accepts ? 0 : Never;
                foreach (var (_, _, target) in state.Edges) cost = Math.Min(cost, 1 + costs[target]);
                foreach (var target in state.Skips) cost = Math.Min(cost, costs[target]);
                if (state.Call is var (rule, back)) cost = Math.Min(cost, Callee(rule) + costs[back]);
                if (cost >= costs[i]) continue;
                costs[i] = cost;
                changed = true;
            }
        }
        return costs;

        int Callee(Rule rule) => !rule.Nests ? costs[nfa.Starts[rule]] : depth == 0 ? Never : byDepth[depth - 1][nfa.Starts[rule]];
    }
}
