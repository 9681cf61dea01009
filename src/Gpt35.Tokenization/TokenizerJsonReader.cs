using System.Collections.ObjectModel;
using System.Text;
using System.Text.Json;
using static Gpt35.Tokenization.JsonPlaces;

namespace Gpt35.Tokenization;

/// <summary>Turns the root of a <c>tokenizer.json</c>, or of GPT-2's <c>vocab.json</c>, into a checked <see cref="Vocabulary"/>.</summary>
internal sealed class TokenizerJsonReader(string file)
{
    private readonly JsonPlaces places = new(file);
    private readonly Dictionary<string, int> ordinary = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> special = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> added = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> nameOf = [];

    /// <param name="root">Of a <c>tokenizer.json</c>.</param>
    public Vocabulary Read(JsonElement root)
    {
        places.Expect(root, "the file", JsonValueKind.Object);
        var preTokenizer = new PipelineReader(places).Read(root);
        var model = places.Get(root, "model", "the file", JsonValueKind.Object);
        CheckModel(model);
        ReadAddedTokens(root);
        ReadVocabulary(places.Get(model, "vocab", "model", JsonValueKind.Object), "model.vocab");
        CheckBytesAndIds("model.vocab");
        var merges = ReadMerges(places.Get(model, "merges", "model", JsonValueKind.Array));
        return Build(merges, preTokenizer, places.Flag(model, "model", "ignore_merges", absent: false));
    }

    /// <param name="root">Of <c>vocab.json</c>.</param>
    /// <param name="merges">Of <c>merges.txt</c>, with their lines.</param>
    /// <param name="mergesFile">Its name, for messages.</param>
    public Vocabulary ReadGpt2(JsonElement root, IReadOnlyList<(string Left, string Right, int Line)> merges, string mergesFile)
    {
        places.Expect(root, "the file", JsonValueKind.Object);
        var results = merges.Select(merge => merge.Left + merge.Right).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in root.EnumerateObject())
        {
            var token = places.Guarded(() => entry.Name, "a token");
            var where = $"token {Quote(token)}";
            if (token.Length == 0) throw places.Bad(where, "an empty token", "at least one byte");
            var isByte = token.Length == 1 && ByteAlphabet.TryGetByte(token[0], out _);
            Add(isByte || results.Contains(token) ? ordinary : special, token, entry.Value, where);
        }
        CheckBytesAndIds("the file");
        var seen = new HashSet<(int, int)>();
        var checkedMerges = new List<Merge>(merges.Count);
        foreach (var (left, right, line) in merges)
            AddMerge(left, right, Gpt2Files.VocabName, (found, expected) =>
                new InvalidDataException($"{mergesFile}:{line}: found {found}; expected {expected}."), checkedMerges, seen);
        return Build(checkedMerges, PreTokenizer.Gpt2, wordsAreTokens: false);
    }

    /// <param name="parts">Of a byte-level tokenizer.</param>
    public Vocabulary Read(TokenizerParts parts)
    {
        if (parts.Kinds.Count != parts.Tokens.Count) throw places.Bad("token types", $"{parts.Kinds.Count} types for {parts.Tokens.Count} tokens", "one for each");
        for (var id = 0; id < parts.Tokens.Count; id++)
        {
            var (token, where) = (parts.Tokens[id], $"token {id}");
            if (parts.Kinds[id] == TokenKind.Unused) continue;
            if (token.Length == 0) throw places.Bad(where, "an empty token", "at least one byte");
            if (parts.Kinds[id] is TokenKind.Control or TokenKind.Unknown) Add(special, token, id, where);
            else if (parts.Kinds[id] == TokenKind.UserDefined) Add(added, token, id, where);
            else
            {
                RequireSpelled(token, where, "GPT-2's byte alphabet, or the type of a special token");
                Add(ordinary, token, id, where);
            }
        }
        CheckBytesAndIds("the tokens");
        var (merges, seen) = (new List<Merge>(parts.Merges.Count), new HashSet<(int, int)>());
        foreach (var (rank, merge) in parts.Merges.Index())
        {
            var where = $"merge {rank}";
            if (merge.Split(' ') is not [var left, var right]) throw places.Bad(where, Quote(merge), "\"left right\"");
            AddMerge(left, right, "the tokens", (found, expected) => places.Bad(where, found, expected), merges, seen);
        }
        return Build(merges, parts.PreTokenizer, parts.WordsAreTokens);
    }

    private Vocabulary Build(List<Merge> merges, PreTokenizer preTokenizer, bool wordsAreTokens)
    {
        var spellings = new string?[nameOf.Keys.Max() + 1];
        foreach (var (token, id) in ordinary) spellings[id] = token;
        foreach (var (token, id) in added) spellings[id] = ByteAlphabet.Spell(Encoding.UTF8.GetBytes(token));
        return new Vocabulary(spellings, merges, special)
        {
            PreTokenizer = preTokenizer,
            WordsAreTokens = wordsAreTokens,
            AddedTokens = new ReadOnlyDictionary<string, int>(added),
        };
    }

    private void CheckModel(JsonElement model)
    {
        if (TryGet(model, "type", out _)) places.ExpectType(model, "model", "BPE"); // GPT-2's own file names no type
        places.ExpectFlag(model, "model", "byte_fallback", wanted: false, absent: false);
        if (TryGet(model, "dropout", out var dropout) && !(dropout.ValueKind == JsonValueKind.Number && dropout.GetRawText() is "0" or "0.0"))
            throw places.Bad("model.dropout", Describe(dropout), "null: encoding is deterministic");
        foreach (var affix in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
            if (TryGet(model, affix, out var value) && places.Text(value, $"model.{affix}").Length > 0)
                throw places.Bad($"model.{affix}", Describe(value), "null or \"\"");
    }

    private void ReadAddedTokens(JsonElement root)
    {
        if (!TryGet(root, "added_tokens", out var list)) return;
        places.Expect(list, "added_tokens", JsonValueKind.Array);
        var index = 0;
        foreach (var element in list.EnumerateArray())
        {
            var where = $"added_tokens[{index++}]";
            places.Expect(element, where, JsonValueKind.Object);
            if (!TryGet(element, "content", out var content)) throw places.Bad(where, "no \"content\"", "the name of the token");
            var name = places.Text(content, $"{where}.content");
            if (name.Length == 0) throw places.Bad($"{where}.content", "an empty name", "a name such as \"<|endoftext|>\"");
            // These reach into the text around the token; "normalized" makes no difference where nothing normalizes.
            foreach (var flag in (string[])["lstrip", "rstrip", "single_word"]) places.ExpectFlag(element, where, flag, wanted: false, absent: false);
            if (!TryGet(element, "id", out var id)) throw places.Bad(where, "no \"id\"", "an integer");
            if (places.Flag(element, where, "special", absent: false)) Add(special, name, id, where);
            else if (name.Length == 1) throw places.Bad(where, $"{Quote(name)}, which is not special and a single character", "\"special\": true, or a longer name");
            else Add(added, name, id, where);
        }
    }

    private void ReadVocabulary(JsonElement vocab, string part)
    {
        foreach (var entry in vocab.EnumerateObject())
        {
            var token = places.Guarded(() => entry.Name, $"a token of {part}");
            var where = $"{part}, token {Quote(token)}";
            if (special.TryGetValue(token, out var addedId) || added.TryGetValue(token, out addedId))
            {
                if (places.Id(entry.Value, where) != addedId) throw places.Bad(where, entry.Value.GetRawText(), $"{addedId}, its id in added_tokens");
                continue;
            }
            if (token.Length == 0) throw places.Bad(where, "an empty token", "at least one byte");
            RequireSpelled(token, where, "GPT-2's byte alphabet, or the token in added_tokens too");
            Add(ordinary, token, entry.Value, where);
        }
    }

    private void RequireSpelled(string token, string where, string expected)
    {
        foreach (var character in token)
            if (!ByteAlphabet.TryGetByte(character, out _)) throw places.Bad(where, $"the character U+{(int)character:X4}", expected);
    }

    private void CheckBytesAndIds(string part)
    {
        foreach (var value in ByteAlphabet.InOrder)
            if (!ordinary.ContainsKey(ByteAlphabet.CharOf(value).ToString()))
                throw places.Bad(part, $"no token {Quote(ByteAlphabet.CharOf(value).ToString())} for byte 0x{value:X2}",
                    "all 256 bytes, without which some text could not be encoded");
        // A table by id stands behind every lookup; a wild id in a broken file must not make it huge.
        foreach (var (id, token) in nameOf)
            if (id >= 2 * nameOf.Count)
                throw places.Bad($"token {Quote(token)}", $"id {id}", $"an id below {2 * nameOf.Count}, twice the number of tokens");
    }

    private List<Merge> ReadMerges(JsonElement list)
    {
        var merges = new List<Merge>(list.GetArrayLength());
        var seen = new HashSet<(int, int)>();
        foreach (var element in list.EnumerateArray())
        {
            var where = $"model.merges[{merges.Count}]";
            var (left, right) = Halves(element, where);
            AddMerge(left, right, "model.vocab", (found, expected) => places.Bad(where, found, expected), merges, seen);
        }
        return merges;
    }

    private void AddMerge(
        string left, string right, string part, Func<string, string, InvalidDataException> bad, List<Merge> merges, HashSet<(int, int)> seen)
    {
        var merge = new Merge(IdOf(left), IdOf(right), IdOf(left + right));
        if (!seen.Add((merge.Left, merge.Right))) throw bad($"{Quote(left)} and {Quote(right)} for the second time", "every pair once");
        merges.Add(merge);

        int IdOf(string token) => ordinary.TryGetValue(token, out var id)
            ? id
            : throw bad($"{Quote(token)}, which is {(special.ContainsKey(token) ? "special" : $"not in {part}")}", $"an ordinary token of {part}");
    }

    private (string Left, string Right) Halves(JsonElement merge, string where)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2)
            return (places.Text(merge[0], where), places.Text(merge[1], where));
        if (merge.ValueKind == JsonValueKind.String && places.Text(merge, where).Split(' ') is [var left, var right])
            return (left, right);
        throw places.Bad(where, Describe(merge), "\"left right\" or [\"left\", \"right\"]");
    }

    private void Add(Dictionary<string, int> tokens, string token, JsonElement id, string where) => Add(tokens, token, places.Id(id, where), where);

    private void Add(Dictionary<string, int> tokens, string token, int id, string where)
    {
        if (special.ContainsKey(token) || !tokens.TryAdd(token, id)) throw places.Bad(where, "the token for the second time", "every token once");
        if (!nameOf.TryAdd(id, token)) throw places.Bad(where, $"id {id}, which {Quote(nameOf[id])} has", "an id of its own");
    }
}
