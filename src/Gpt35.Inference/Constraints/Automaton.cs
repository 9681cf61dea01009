namespace Gpt35.Inference.Constraints;

/// <summary>
/// Reads bytes and knows at every place which documents are still possible: rules that call each other, each a deterministic automaton made as it is needed,
/// over stacks that share their ends (Tomita 1985). Not thread-safe; whoever shares it locks it.
/// </summary>
internal sealed class Automaton
{
    /// <summary>Frames, stacks and configurations that are kept before all are forgotten and made again.</summary>
    private const int MostKept = 40_000;

    private readonly Nfa nfa;
    private readonly ClosingCosts costs;
    private readonly int maxDepth;
    private readonly HashSet<Rule> leaves;                                  // rules that call none
    private readonly Dictionary<int[], Frame> frames = new(new SameNumbers());
    private readonly Dictionary<(int Frame, int Parent, int Depth), FrameStack> stacks = [];
    private readonly Dictionary<int[], Configuration> configurations = new(new SameNumbers());
    private readonly Dictionary<FrameStack, Configuration> returns = [];
    private readonly FrameStack bottom = new(0, null, null, 0, 0), outside = new(1, null, null, 0, 0);
    private int nextNumber = 2, keptStates;

    /// <exception cref="InvalidDataException">It is too large, or no document of at most <paramref name="maxDepth"/> nested objects and arrays satisfies it.</exception>
    public Automaton(Rule root, int maxDepth)
    {
        nfa = new Nfa(root);
        costs = new ClosingCosts(nfa, maxDepth);
        this.maxDepth = maxDepth;
        var calling = nfa.States.Any(state => state.Call is not null);
        leaves = calling ? FindLeaves() : [root];
        if (costs.Of(nfa.Starts[root], maxDepth) >= ClosingCosts.Never)
            throw new InvalidDataException($"{root.Name}: no document satisfies it with at most {maxDepth} objects and arrays within each other. Every circle of references needs a way out, such as an array that may be empty or an anyOf with null.");
    }

    public byte[] ClassOfByte => nfa.ClassOfByte;

    /// <summary>Raised when what was made so far has been forgotten; what is still referred to stays usable.</summary>
    public int Generation { get; private set; }

    /// <summary>The bytes that occur in some document.</summary>
    public IEnumerable<int> UsedBytes() => nfa.States.SelectMany(state => state.Edges).Distinct().SelectMany(edge => Enumerable.Range(edge.Low, edge.High - edge.Low + 1)).Distinct();

    public Configuration Start() => Enter(nfa.Root, bottom, maxDepth);

    /// <summary>What can come once everything above a stack has ended.</summary>
    public Configuration After(FrameStack stack)
    {
        if (!returns.TryGetValue(stack, out var configuration)) returns[stack] = configuration = Gather(closing => closing.Add(stack));
        return configuration;
    }

    /// <summary>A frame alone, as if nothing were known about its caller; ends where its rule does.</summary>
    public Configuration Alone(Frame frame, int depth) => Intern([StackOf(frame, outside, depth)], mayEnd: false);

    /// <summary>The configuration after a byte of this class; <see cref="Configuration.Dead"/> when there is none.</summary>
    public Configuration Step(Configuration from, byte byteClass) => from.Next[byteClass] ??= MakeStep(from, byteClass);

    /// <summary>Forgets everything once it has become too much.</summary>
    public void Trim(bool now = false)
    {
        if (!now && frames.Count + stacks.Count + configurations.Count < MostKept && keptStates < 100 * MostKept) return;
        frames.Clear();
        stacks.Clear();
        configurations.Clear();
        returns.Clear();
        keptStates = 0;
        Generation++;
    }

    private Configuration MakeStep(Configuration from, byte byteClass) => Gather(closing =>
    {
        foreach (var stack in from.Stacks)
        {
            var next = stack.Frame.Next[byteClass] ??= MakeNext(stack.Frame, byteClass);
            if (next != Frame.Dead && Cost(next, stack.Depth) < ClosingCosts.Never) closing.Add(StackOf(next, stack.Parent, stack.Depth));
        }
    });

    private Configuration Enter(Rule rule, FrameStack parent, int depth) => Gather(closing => Call(closing, rule, parent, depth));

    private void Call(Closing closing, Rule rule, FrameStack parent, int depth)
    {
        if (rule.Nests) depth--;
        if (depth < 0) return;
        if (leaves.Contains(rule)) depth = 0;                               // it never asks, so all depths are the same to it
        if (costs.Of(nfa.Starts[rule], depth) >= ClosingCosts.Never) return;
        closing.Add(StackOf(FrameOf([nfa.Starts[rule]]), parent, depth));
    }

    /// <summary>Follows ends and calls until every stack stands before a byte.</summary>
    private Configuration Gather(Action<Closing> begin)
    {
        var closing = new Closing(this);
        begin(closing);
        var found = closing.Reading.ToArray();
        Array.Sort(found, static (a, b) => a.Number.CompareTo(b.Number));
        return found.Length == 0 && !closing.MayEnd ? Configuration.Dead : Intern(found, closing.MayEnd);
    }

    private sealed class Closing(Automaton automaton)
    {
        private readonly HashSet<FrameStack> seen = [];

        public List<FrameStack> Reading { get; } = [];
        public bool MayEnd { get; private set; }

        public void Add(FrameStack stack)
        {
            if (!seen.Add(stack)) return;
            if (stack.IsBottom)
            {
                MayEnd = true;
                return;
            }
            var frame = stack.Frame;
            if (frame.Reads) Reading.Add(stack);
            if (frame.Accepts) Add(stack.Parent);
            foreach (var (rule, back) in frame.Calls)
            {
                var after = automaton.FrameOf(back);
                if (automaton.Cost(after, stack.Depth) >= ClosingCosts.Never) continue;
                automaton.Call(this, rule, after.OnlyEnds ? stack.Parent : automaton.StackOf(after, stack.Parent, stack.Depth), stack.Depth);
            }
        }
    }

    private int Cost(Frame frame, int depth)
    {
        var cost = ClosingCosts.Never;
        foreach (var state in frame.States) cost = Math.Min(cost, costs.Of(state, depth));
        return cost;
    }

    private FrameStack StackOf(Frame frame, FrameStack parent, int depth)
    {
        var key = (frame.Number, parent.Number, depth);
        if (!stacks.TryGetValue(key, out var stack))
            stacks[key] = stack = new FrameStack(nextNumber++, frame, parent, depth, Math.Min(ClosingCosts.Never, Cost(frame, depth) + parent.ClosingCost));
        return stack;
    }

    private Frame MakeNext(Frame frame, byte byteClass)
    {
        var value = (byte)Array.IndexOf(nfa.ClassOfByte, byteClass);
        var targets = frame.States.SelectMany(state => nfa.States[state].Edges).Where(edge => edge.Low <= value && value <= edge.High).Select(edge => edge.Target).ToArray();
        return targets.Length == 0 ? Frame.Dead : FrameOf(targets);
    }

    /// <summary>The frame of some states, and of all that they lead to for nothing; states without a way to the end are left out.</summary>
    private Frame FrameOf(int[] from)
    {
        var found = nfa.Closure(from).Where(state => costs.Of(state, maxDepth) < ClosingCosts.Never
            && nfa.States[state] is var s && (s.Accepts || s.Edges.Count > 0 || s.Call is not null)).ToArray();
        if (found.Length == 0) return Frame.Dead;
        if (frames.TryGetValue(found, out var frame)) return frame;
        var calls = found.Select(state => nfa.States[state].Call).OfType<(Rule Rule, int Return)>()
            .GroupBy(call => call.Rule).Select(group => (group.Key, group.Select(call => call.Return).ToArray())).ToArray();
        frame = new Frame(nextNumber++, found, found.Any(state => nfa.States[state].Accepts), found.Any(state => nfa.States[state].Edges.Count > 0), calls, nfa.ClassCount);
        keptStates += found.Length;
        return frames[found] = frame;
    }

    private Configuration Intern(FrameStack[] found, bool mayEnd)
    {
        int[] key = [mayEnd ? 1 : 0, .. found.Select(stack => stack.Number)];
        if (!configurations.TryGetValue(key, out var configuration)) configurations[key] = configuration = new Configuration(found, mayEnd, nfa.ClassCount);
        return configuration;
    }

    private HashSet<Rule> FindLeaves()
    {
        // States of a rule are those that its first state leads to.
        var found = new HashSet<Rule>();
        foreach (var (rule, start) in nfa.Starts)
        {
            var seen = new HashSet<int> { start };
            var work = new Stack<int>(seen);
            var calls = false;
            while (!calls && work.TryPop(out var state))
            {
                var s = nfa.States[state];
                calls = s.Call is not null;
                foreach (var next in s.Skips.Concat(s.Edges.Select(edge => edge.Target)))
                    if (seen.Add(next)) work.Push(next);
            }
            if (!calls) found.Add(rule);
        }
        return found;
    }

    private sealed class SameNumbers : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? a, int[]? b) => a.AsSpan().SequenceEqual(b);

        public int GetHashCode(int[] numbers)
        {
            var hash = new HashCode();
            foreach (var number in numbers) hash.Add(number);
            return hash.ToHashCode();
        }
    }
}
