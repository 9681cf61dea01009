using System.Text.Json;

namespace Gpt35.Tokenization;

/// <summary>Turns the root of a <c>tokenizer.json</c> into a checked <see cref="Vocabulary"/>.</summary>
internal sealed class TokenizerJsonReader(string file)
{
    private readonly Dictionary<string, int> ordinary = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> special = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> nameOf = [];

    public Vocabulary Read(JsonElement root)
    {
        Expect(root, "the file", JsonValueKind.Object);
        CheckParts(root);
        var model = Get(root, "model", "the file", JsonValueKind.Object);
        CheckModel(model);
        ReadAddedTokens(root);
        ReadVocabulary(Get(model, "vocab", "model", JsonValueKind.Object));
        CheckBytesAndIds();
        var merges = ReadMerges(Get(model, "merges", "model", JsonValueKind.Array));

        var spellings = new string?[nameOf.Keys.Max() + 1];
        foreach (var (token, id) in ordinary) spellings[id] = token;
        return new Vocabulary(spellings, merges, special);
    }

    private void CheckParts(JsonElement root)
    {
        if (TryGet(root, "normalizer", out var normalizer))
            throw Bad("normalizer", Describe(normalizer), "null: byte-level BPE encodes text as it is");
        var splitter = Get(root, "pre_tokenizer", "the file", JsonValueKind.Object);
        ExpectType(splitter, "pre_tokenizer", "ByteLevel");
        ExpectFlag(splitter, "pre_tokenizer", "add_prefix_space", wanted: false, absent: true);
        ExpectFlag(splitter, "pre_tokenizer", "use_regex", wanted: true, absent: true);
        if (!TryGet(root, "decoder", out var decoder)) return;
        Expect(decoder, "decoder", JsonValueKind.Object);
        ExpectType(decoder, "decoder", "ByteLevel");
    }

    private void CheckModel(JsonElement model)
    {
        if (TryGet(model, "type", out _)) ExpectType(model, "model", "BPE"); // GPT-2's own file names no type
        ExpectFlag(model, "model", "byte_fallback", wanted: false, absent: false);
        ExpectFlag(model, "model", "ignore_merges", wanted: false, absent: false);
        if (TryGet(model, "dropout", out var dropout) && !(dropout.ValueKind == JsonValueKind.Number && dropout.GetRawText() is "0" or "0.0"))
            throw Bad("model.dropout", Describe(dropout), "null: encoding is deterministic");
        foreach (var affix in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
            if (TryGet(model, affix, out var value) && Text(value, $"model.{affix}").Length > 0)
                throw Bad($"model.{affix}", Describe(value), "null or \"\"");
    }

    private void ReadAddedTokens(JsonElement root)
    {
        if (!TryGet(root, "added_tokens", out var list)) return;
        Expect(list, "added_tokens", JsonValueKind.Array);
        var index = 0;
        foreach (var added in list.EnumerateArray())
        {
            var where = $"added_tokens[{index++}]";
            Expect(added, where, JsonValueKind.Object);
            if (!TryGet(added, "content", out var content)) throw Bad(where, "no \"content\"", "the name of the token");
            var name = Text(content, $"{where}.content");
            if (name.Length == 0) throw Bad($"{where}.content", "an empty name", "a name such as \"<|endoftext|>\"");
            if (!TryGet(added, "special", out var isSpecial) || isSpecial.ValueKind != JsonValueKind.True)
                throw Bad(where, $"{Quote(name)}, which is not special", "\"special\": true; other added tokens would change how text is split");
            if (!TryGet(added, "id", out var id)) throw Bad(where, "no \"id\"", "an integer");
            Add(special, name, id, where);
        }
    }

    private void ReadVocabulary(JsonElement vocab)
    {
        foreach (var entry in vocab.EnumerateObject())
        {
            var token = Guarded(() => entry.Name, "a token of model.vocab");
            var where = $"model.vocab, token {Quote(token)}";
            if (special.TryGetValue(token, out var specialId))
            {
                if (Id(entry.Value, where) != specialId) throw Bad(where, entry.Value.GetRawText(), $"{specialId}, its id in added_tokens");
                continue;
            }
            if (token.Length == 0) throw Bad(where, "an empty token", "at least one byte");
            foreach (var character in token)
                if (!ByteAlphabet.TryGetByte(character, out _))
                    throw Bad(where, $"the character U+{(int)character:X4}", "GPT-2's byte alphabet, or the token in added_tokens too");
            Add(ordinary, token, entry.Value, where);
        }
    }

    private void CheckBytesAndIds()
    {
        foreach (var value in ByteAlphabet.InOrder)
            if (!ordinary.ContainsKey(ByteAlphabet.CharOf(value).ToString()))
                throw Bad("model.vocab", $"no token {Quote(ByteAlphabet.CharOf(value).ToString())} for byte 0x{value:X2}",
                    "all 256 bytes, without which some text could not be encoded");
        // A table by id stands behind every lookup; a wild id in a broken file must not make it huge.
        foreach (var (id, token) in nameOf)
            if (id >= 2 * nameOf.Count)
                throw Bad($"token {Quote(token)}", $"id {id}", $"an id below {2 * nameOf.Count}, twice the number of tokens");
    }

    private List<Merge> ReadMerges(JsonElement list)
    {
        var merges = new List<Merge>(list.GetArrayLength());
        var seen = new HashSet<(int, int)>();
        foreach (var element in list.EnumerateArray())
        {
            var where = $"model.merges[{merges.Count}]";
            var (left, right) = Halves(element, where);
            var merge = new Merge(OrdinaryId(left, where), OrdinaryId(right, where), OrdinaryId(left + right, where));
            if (!seen.Add((merge.Left, merge.Right))) throw Bad(where, $"{Quote(left)} and {Quote(right)} for the second time", "every pair once");
            merges.Add(merge);
        }
        return merges;
    }

    private (string Left, string Right) Halves(JsonElement merge, string where)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2)
            return (Text(merge[0], where), Text(merge[1], where));
        if (merge.ValueKind == JsonValueKind.String && Text(merge, where).Split(' ') is [var left, var right])
            return (left, right);
        throw Bad(where, Describe(merge), "\"left right\" or [\"left\", \"right\"]");
    }

    private int OrdinaryId(string token, string where) => ordinary.TryGetValue(token, out var id)
        ? id
        : throw Bad(where, $"{Quote(token)}, which is {(special.ContainsKey(token) ? "special" : "not in model.vocab")}", "an ordinary token of model.vocab");

    private void Add(Dictionary<string, int> tokens, string token, JsonElement idElement, string where)
    {
        var id = Id(idElement, where);
        if (!tokens.TryAdd(token, id)) throw Bad(where, "the token for the second time", "every token once");
        if (!nameOf.TryAdd(id, token)) throw Bad(where, $"id {id}, which {Quote(nameOf[id])} has", "an id of its own");
    }

    private int Id(JsonElement element, string where) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var id) && id >= 0
            ? id
            : throw Bad(where, Describe(element), "an id: an integer from 0");

    private JsonElement Get(JsonElement parent, string name, string where, JsonValueKind kind)
    {
        if (!TryGet(parent, name, out var value)) throw Bad(where, $"no \"{name}\"", $"\"{name}\": {NameOf(kind)}");
        Expect(value, where == "the file" ? name : $"{where}.{name}", kind);
        return value;
    }

    /// <summary>A property that is there and not null.</summary>
    private static bool TryGet(JsonElement parent, string name, out JsonElement value) =>
        parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    private void Expect(JsonElement element, string where, JsonValueKind kind)
    {
        if (element.ValueKind != kind) throw Bad(where, Describe(element), NameOf(kind));
    }

    private void ExpectType(JsonElement element, string where, string wanted)
    {
        if (!TryGet(element, "type", out var type)) throw Bad(where, "no \"type\"", $"\"{wanted}\"");
        if (Text(type, $"{where}.type") != wanted) throw Bad($"{where}.type", Describe(type), $"\"{wanted}\"; only GPT-2's kind of tokenizer is supported");
    }

    private void ExpectFlag(JsonElement element, string where, string name, bool wanted, bool absent)
    {
        var found = TryGet(element, name, out var value) ? value.ValueKind : absent ? JsonValueKind.True : JsonValueKind.False;
        if (found != (wanted ? JsonValueKind.True : JsonValueKind.False))
            throw Bad($"{where}.{name}", value.ValueKind == JsonValueKind.Undefined ? "nothing" : Describe(value), wanted ? "true" : "false");
    }

    private string Text(JsonElement element, string where)
    {
        if (element.ValueKind != JsonValueKind.String) throw Bad(where, Describe(element), "a string");
        return Guarded(() => element.GetString()!, where);
    }

    /// <summary>The library reports escapes that are no text, such as half a surrogate pair, as a misuse of the element.</summary>
    private string Guarded(Func<string> read, string where)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            throw Bad(where, "a string that is not valid Unicode", "text");
        }
    }

    private InvalidDataException Bad(string where, string found, string expected) => new($"{file}: {where}: found {found}; expected {expected}.");

    private static string NameOf(JsonValueKind kind) => kind == JsonValueKind.Array ? "a list" : "an object";

    private static string Describe(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.Null => "null",
        _ => Shorten(element.GetRawText()),
    };

    private static string Quote(string token) => $"\"{Shorten(token)}\"";

    private static string Shorten(string text) => text.Length <= 60 ? text : $"{text.AsSpan(0, 60)}…";
}
