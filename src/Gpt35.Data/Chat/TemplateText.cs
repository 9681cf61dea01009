using System.Text;
using Gpt35.Tokenization;

namespace Gpt35.Data;

/// <summary>A text of a chat template, cut once into ordinary text and special tokens.</summary>
internal sealed class TemplateText
{
    private readonly List<(string Text, bool IsSpecial)> pieces = [];

    public TemplateText(string text, IReadOnlyCollection<string> specialTokens)
    {
        var longestFirst = specialTokens.OrderByDescending(name => name.Length).ToList();
        var start = 0;
        for (var i = 0; i < text.Length;)
        {
            if (longestFirst.Find(name => string.CompareOrdinal(text, i, name, 0, name.Length) == 0) is not { } special)
            {
                i++;
                continue;
            }
            if (i > start) pieces.Add((text[start..i], false));
            pieces.Add((special, true));
            start = i += special.Length;
        }
        if (start < text.Length) pieces.Add((text[start..], false));
    }

    public IEnumerable<string> SpecialTokens => pieces.Where(piece => piece.IsSpecial).Select(piece => piece.Text);

    public void WriteTo(ChatWriter writer, bool trained)
    {
        foreach (var (text, isSpecial) in pieces)
            if (isSpecial) writer.Special(text, trained);
            else writer.Text(text, trained);
    }
}

/// <summary>
/// Collects the ids of a conversation. Ordinary text between two special tokens is encoded in one go, as the published formats do it, and
/// never across <see cref="Border"/>, where a prompt may end.
/// </summary>
internal sealed class ChatWriter(Tokenizer tokenizer, string format)
{
    private readonly List<int> ids = [];
    private readonly List<bool> trained = [];
    private readonly List<Role?> roles = [];
    private readonly StringBuilder run = new();
    private readonly List<(int Character, Role? Role)> runRoles = [];    // where in the run another turn begins
    private bool runIsTrained;
    private Role? role;

    /// <summary>What follows belongs to a turn of this role, its prefix and suffix included.</summary>
    public void Turn(Role? next)
    {
        if (run.Length > 0) runRoles.Add((run.Length, role = next));
        else role = next;
    }

    /// <summary>Ordinary text, whatever it spells.</summary>
    public void Text(string text, bool isTrained)
    {
        if (isTrained != runIsTrained) Border();
        if (run.Length == 0 && text.Length > 0)
        {
            runRoles.Clear();
            runRoles.Add((0, role));
        }
        runIsTrained = isTrained;
        run.Append(text);
    }

    public void Special(string name, bool isTrained)
    {
        Border();
        ids.Add(IdOf(name, tokenizer, format));
        trained.Add(isTrained);
        roles.Add(role);
    }

    /// <summary>Nothing before and after this point may share a token.</summary>
    public void Border()
    {
        if (run.Length == 0) return;
        var text = run.ToString();
        ids.AddRange(tokenizer.Encode(text));
        AddRoles(text);
        while (trained.Count < ids.Count) trained.Add(runIsTrained);
        run.Clear();
    }

    public TokenSequence ToSequence()
    {
        Border();
        return new TokenSequence([.. ids], [.. trained]);
    }

    /// <summary>The role of the turn in which each token begins; null before the first, (ids,).</summary>
    public Role?[] ToRoles()
    {
        Border();
        return [.. roles];
    }

    /// <summary>Roles of the tokens that the run has become, told by the bytes that they stand for.</summary>
    private void AddRoles(string text)
    {
        var (at, turn) = (0, 0);
        var ends = runRoles.Skip(1).Select(next => Encoding.UTF8.GetByteCount(text.AsSpan(0, next.Character))).ToList();
        while (roles.Count < ids.Count)
        {
            while (turn < ends.Count && at >= ends[turn]) turn++;
            at += ends.Count == 0 ? 0 : tokenizer.TokenBytes(ids[roles.Count]).Length;
            roles.Add(runRoles[turn].Role);
        }
    }

    /// <exception cref="InvalidDataException">The tokenizer has no such special token.</exception>
    public static int IdOf(string special, Tokenizer tokenizer, string format) =>
        tokenizer.SpecialTokens.TryGetValue(special, out var id)
            ? id
            : throw new InvalidDataException(
                $"The tokenizer has no special token {special}, which chat format \"{format}\" needs; it has {(tokenizer.SpecialTokens.Count == 0 ? "none" : string.Join(", ", tokenizer.SpecialTokens.Keys))}. "
                + $"Train the tokenizer with it ('gpt35 tokenizer train --special-token'), or use another chat format or model.");
}
