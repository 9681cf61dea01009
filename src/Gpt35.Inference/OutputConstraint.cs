using System.Text;
using Gpt35.Inference.Constraints;
using Gpt35.Tokenization;

namespace Gpt35.Inference;

/// <summary>
/// What a completion must look like: JSON, JSON of a schema, or a regular expression. Whatever the model prefers, only tokens are drawn with which the text can still
/// become a whole document; stop tokens only where it is one. Made once for a tokenizer and shared by any number of completions and threads.
/// </summary>
public sealed class OutputConstraint
{
    /// <summary>Objects and arrays within each other, unless told otherwise.</summary>
    public const int DefaultMaxDepth = 32;

    private readonly Automaton automaton;
    private readonly MaskBuilder masks;
    private readonly Tokenizer tokenizer;
    private Configuration start;
    private int generation;

    private OutputConstraint(Rule root, Tokenizer tokenizer, int maxDepth)
    {
        this.tokenizer = tokenizer;
        automaton = new Automaton(root, maxDepth);
        var trie = TokenTrie.Of(tokenizer);
        masks = new MaskBuilder(automaton, trie);
        start = automaton.Start();
        var singles = trie.SingleBytes();
        if (automaton.UsedBytes().FirstOrDefault(value => !singles[value], -1) is >= 0 and var missing)
            throw new InvalidDataException($"The tokenizer has no token for the byte 0x{missing:X2} alone, which the constraint may need. Expected a byte-level tokenizer.");
    }

    /// <summary>Any JSON object.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="maxDepth">Most objects and arrays within each other.</param>
    /// <exception cref="InvalidDataException">The tokenizer lacks single bytes.</exception>
    public static OutputConstraint Json(Tokenizer tokenizer, int maxDepth = DefaultMaxDepth) => new(new JsonGrammar().AnyObjectDocument(), tokenizer, maxDepth);

    /// <summary>JSON that a schema accepts: the part of JSON Schema that OpenAI's structured output knows, see docs/generation.md.</summary>
    /// <param name="schema">The schema, as JSON.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="maxDepth">Most objects and arrays within each other.</param>
    /// <exception cref="InvalidDataException">It is no JSON, says something that cannot be followed (the message names the keyword and where it stands), or accepts no document.</exception>
    public static OutputConstraint JsonSchema(string schema, Tokenizer tokenizer, int maxDepth = DefaultMaxDepth) => new(SchemaCompiler.Compile(schema), tokenizer, maxDepth);

    /// <summary>A text that a regular expression matches from its first character to its last.</summary>
    /// <param name="pattern">See docs/generation.md for what it may hold.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <exception cref="InvalidDataException">It is malformed or holds what cannot be followed; the message says where.</exception>
    public static OutputConstraint Regex(string pattern, Tokenizer tokenizer) =>
        new(new Rule($"The regular expression {pattern}", nests: false) { Body = RegexParser.Parse(pattern) }, tokenizer, 0);

    /// <summary>Whether a text is a whole document.</summary>
    public bool Accepts(string text)
    {
        lock (AtWork) return After(StartConfiguration(), Encoding.UTF8.GetBytes(text)).MayEnd;
    }

    /// <summary>Held while the automaton is at work. Masks may take long the first time: nobody asks for them who keeps others waiting.</summary>
    internal Lock AtWork { get; } = new();

    /// <summary>V of the tokenizer.</summary>
    internal int VocabSize => tokenizer.VocabSize;

    /// <summary>The beginning of a document. Takes no time: nothing is computed before something is asked.</summary>
    internal ConstraintCursor Start() => new(this);

    internal Configuration StartConfiguration()
    {
        lock (AtWork)
        {
            automaton.Trim();
            if (generation != automaton.Generation) (start, generation) = (automaton.Start(), automaton.Generation);
            return start;
        }
    }

    internal ulong[] Mask(Configuration at)
    {
        lock (AtWork) return masks.Of(at);
    }

    internal ulong[] ClosingMask(Configuration at, int bytes)
    {
        lock (AtWork) return masks.Closing(at, bytes);
    }

    /// <summary>The configuration after the bytes of a token.</summary>
    internal Configuration After(Configuration at, int token)
    {
        lock (AtWork) return After(at, tokenizer.TokenBytes(token));
    }

    internal Configuration After(Configuration at, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (at == Configuration.Dead) break;
            at = automaton.Step(at, automaton.ClassOfByte[value]);
        }
        return at;
    }
}

/// <summary>How far one completion has come in a document.</summary>
internal sealed class ConstraintCursor(OutputConstraint constraint)
{
    private Configuration At => Reached ??= constraint.StartConfiguration();

    /// <summary>Null until something has been asked at the beginning.</summary>
    public Configuration? Reached { get; private set; }

    /// <summary>Goes back to where it was.</summary>
    public void Return(Configuration? reached) => Reached = reached;

    /// <summary>Whether the text so far is a whole document.</summary>
    public bool MayEnd => At.MayEnd;

    /// <summary>Whether it is one to which nothing can be added.</summary>
    public bool MustEnd => At.MustEnd;

    /// <summary>The fewest bytes, and so at least as many tokens as needed, that complete the document.</summary>
    public int ClosingTokens => At.ClosingCost;

    /// <summary>The same after one more token.</summary>
    public int ClosingTokensAfter(int token) => constraint.After(At, token).ClosingCost;

    /// <summary>The tokens that may come next, stop tokens apart.</summary>
    public ReadOnlySpan<ulong> Mask() => constraint.Mask(At);

    /// <summary>Those of them after which the document can still be completed when <paramref name="left"/> tokens are left, the one to come included.</summary>
    public ReadOnlySpan<ulong> ClosingMask(int left) => constraint.ClosingMask(At, left - 1);

    /// <exception cref="InvalidOperationException">The constraint does not allow the token.</exception>
    public void Advance(int token)
    {
        Reached = constraint.After(At, token);
        if (Reached == Configuration.Dead) throw new InvalidOperationException($"Token {token} breaks the constraint.");
    }
}
