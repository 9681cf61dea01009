namespace Gpt35.Inference.Constraints;

/// <summary>A frame and what it returns to; equal stacks are one object.</summary>
/// <param name="number">Unique among stacks.</param>
/// <param name="frame">The place in the rule under way; null at the bottom.</param>
/// <param name="parent">The stack once that rule has ended; null at the bottom.</param>
/// <param name="depth">How many objects and arrays may still be opened within each other.</param>
/// <param name="closingCost">The fewest bytes that end everything on the stack.</param>
internal sealed class FrameStack(int number, Frame? frame, FrameStack? parent, int depth, int closingCost)
{
    public int Number => number;
    public Frame Frame => frame!;
    public FrameStack Parent => parent!;
    public bool IsBottom => frame is null;
    public int Depth => depth;
    public int ClosingCost => closingCost;
}

/// <summary>
/// Everything the bytes so far may mean: a set of stacks, and whether the document may end here. Equal ones are one object (until caches are emptied),
/// which remembers its successors and its token mask.
/// </summary>
internal sealed class Configuration(FrameStack[] stacks, bool mayEnd, int classCount)
{
    /// <summary>Stands for "no document begins like this".</summary>
    public static readonly Configuration Dead = new([], mayEnd: false, 0);

    /// <summary>Those whose frame reads a byte, by rising number.</summary>
    public FrameStack[] Stacks => stacks;
    public bool MayEnd => mayEnd;
    public bool MustEnd => mayEnd && stacks.Length == 0;

    /// <summary>The fewest bytes that complete the document.</summary>
    public int ClosingCost { get; } = mayEnd ? 0 : stacks.Length == 0 ? ClosingCosts.Never : stacks.Min(stack => stack.ClosingCost);

    /// <summary>Successor by class of byte; null where it has not been asked for yet.</summary>
    public Configuration?[] Next { get; } = new Configuration?[classCount];

    public ulong[]? Mask { get; set; }
}
