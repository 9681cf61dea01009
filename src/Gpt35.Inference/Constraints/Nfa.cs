namespace Gpt35.Inference.Constraints;

/// <summary>
/// The patterns of a set of rules as one network of states that read bytes (Thompson 1968). A state may also call a rule and go on where that rule ends.
/// Built from the end backwards, so that a state's targets have smaller numbers than itself, but for loops.
/// </summary>
internal sealed class Nfa
{
    /// <summary>Keeps the memory of one constraint, and the time of one step, within bounds.</summary>
    private const int MostStates = 60_000;

    private readonly List<State> states = [];
    private readonly Dictionary<Rule, int> starts = [];
    private readonly Queue<Rule> unbuilt = new();

    /// <exception cref="InvalidDataException">The patterns need more states than is sensible.</exception>
    public Nfa(Rule root)
    {
        Root = root;
        Enlist(root);
        while (unbuilt.TryDequeue(out var rule))
        {
            var end = Add(new State { Accepts = true });
            starts[rule] = Build(rule.Body, end);
        }
        ClassOfByte = FindClasses();
        RequireProgress();
    }

    public Rule Root { get; }

    public IReadOnlyList<State> States => states;

    /// <summary>First state of each rule.</summary>
    public IReadOnlyDictionary<Rule, int> Starts => starts;

    /// <summary>Bytes with the same number are treated alike by every state, (256,).</summary>
    public byte[] ClassOfByte { get; }

    public int ClassCount => ClassOfByte.Max() + 1;

    public sealed class State
    {
        /// <summary>Whether the rule may end here.</summary>
        public bool Accepts { get; init; }
        public List<(byte Low, byte High, int Target)> Edges { get; } = new(1);
        /// <summary>States that can be had for nothing.</summary>
        public List<int> Skips { get; } = new(0);
        public (Rule Rule, int Return)? Call { get; init; }
    }

    /// <summary>The states that can be had for nothing from those given, themselves included; by rising number.</summary>
    public int[] Closure(IEnumerable<int> from)
    {
        var found = new SortedSet<int>(from);
        var work = new Stack<int>(found);
        while (work.TryPop(out var state))
            foreach (var next in states[state].Skips)
                if (found.Add(next)) work.Push(next);
        return [.. found];
    }

    private void Enlist(Rule rule)
    {
        if (starts.TryAdd(rule, -1)) unbuilt.Enqueue(rule);
    }

    private int Add(State state)
    {
        if (states.Count == MostStates)
            throw new InvalidDataException($"The constraint needs more than {MostStates} states. Expected a smaller one; large bounds of repetitions (like {{0,1000}}) within each other are the usual reason.");
        states.Add(state);
        return states.Count - 1;
    }

    /// <summary>A state from which the pattern leads to <paramref name="next"/>.</summary>
    private int Build(Pattern pattern, int next)
    {
        switch (pattern)
        {
            case Pattern.Class(var characters): return BuildClass(characters, next);
            case Pattern.Sequence(var items):
                for (var i = items.Count - 1; i >= 0; i--) next = Build(items[i], next);
                return next;
            case Pattern.Choice(var items):
                var choice = new State();
                foreach (var item in items) choice.Skips.Add(Build(item, next));
                return Add(choice);
            case Pattern.Repeat(var item, var min, var max): return BuildRepeat(item, min, max, next);
            case Pattern.Call(var rule):
                Enlist(rule);
                return Add(new State { Call = (rule, next) });
            default: throw new ArgumentException($"Unknown pattern {pattern.GetType().Name}.", nameof(pattern));
        }
    }

    private int BuildRepeat(Pattern item, int min, int? max, int next)
    {
        if (max is null)
        {
            var loop = Add(new State());
            states[loop].Skips.AddRange([next, Build(item, loop)]);
            next = loop;
        }
        else
        {
            var end = next;
            for (var i = min; i < max; i++)
            {
                var optional = new State();
                optional.Skips.AddRange([end, Build(item, next)]);
                next = Add(optional);
            }
        }
        for (var i = 0; i < min; i++) next = Build(item, next);
        return next;
    }

    private int BuildClass(CodePointSet characters, int next)
    {
        var shared = new Dictionary<(byte, byte, int), int>();          // endings that several sequences have in common
        var first = new State();
        foreach (var sequence in characters.Utf8())
        {
            var target = next;
            for (var i = sequence.Length - 1; i > 0; i--)
            {
                var key = (sequence[i].Low, sequence[i].High, target);
                if (!shared.TryGetValue(key, out var state))
                {
                    var fresh = new State();
                    fresh.Edges.Add(key);
                    shared[key] = state = Add(fresh);
                }
                target = state;
            }
            first.Edges.Add((sequence[0].Low, sequence[0].High, target));
        }
        return Add(first);
    }

    private byte[] FindClasses()
    {
        var begins = new bool[257];
        foreach (var (low, high, _) in states.SelectMany(state => state.Edges)) begins[low] = begins[high + 1] = true;
        var classes = new byte[256];
        for (var value = 1; value < 256; value++) classes[value] = (byte)(classes[value - 1] + (begins[value] ? 1 : 0));
        return classes;
    }

    /// <summary>A rule that can call itself before it has read a byte would never begin.</summary>
    private void RequireProgress()
    {
        var first = starts.ToDictionary(rule => rule.Key, rule => Closure([rule.Value]).Select(state => states[state].Call?.Rule).OfType<Rule>().ToList());
        var done = new HashSet<Rule>();
        while (done.Count < first.Count)
        {
            var next = first.Keys.Where(rule => !done.Contains(rule) && first[rule].All(done.Contains)).ToList();
            if (next.Count == 0)
                throw new InvalidDataException($"{first.Keys.First(rule => !done.Contains(rule) && !rule.Nests).Name} refers to itself with nothing between. Expected an object or an array on every way back to itself.");
            done.UnionWith(next);
        }
    }
}
