namespace Gpt35.Inference;

/// <summary>
/// Passes the text of an answer on in pieces, without what a chat format puts before and behind it (<see cref="ChatPrompt.Lead"/>, <see cref="ChatPrompt.Tail"/>),
/// where they are there. Holds back only what may yet turn out to be one of them.
/// </summary>
public sealed class AnswerText(string lead, string tail = "")
{
    private string held = "";
    private bool begun = lead.Length == 0;

    /// <summary>What becomes certain with the next piece of the completion's text.</summary>
    public string Push(string piece)
    {
        held += piece;
        if (!begun)
        {
            if (held.Length < lead.Length && lead.StartsWith(held, StringComparison.Ordinal)) return "";
            Begin();
        }
        return Release(held.Length - HeldForTail());
    }

    /// <summary>The rest, when the completion has ended.</summary>
    public string Flush()
    {
        if (!begun) Begin();
        if (tail.Length > 0 && held.EndsWith(tail, StringComparison.Ordinal)) held = held[..^tail.Length];
        return Release(held.Length);
    }

    private void Begin()
    {
        begun = true;
        if (held.StartsWith(lead, StringComparison.Ordinal)) held = held[lead.Length..];
    }

    /// <summary>Length of the longest ending that a tail begins with.</summary>
    private int HeldForTail()
    {
        var length = Math.Min(tail.Length, held.Length);
        while (!tail.AsSpan(0, length).SequenceEqual(held.AsSpan(held.Length - length))) length--;
        return length;
    }

    private string Release(int length)
    {
        var text = held[..length];
        held = held[length..];
        return text;
    }
}
