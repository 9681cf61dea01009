using System.Text.Json;
using static Gpt35.Tokenization.JsonPlaces;

namespace Gpt35.Tokenization;

/// <summary>
/// The parts of a <c>tokenizer.json</c> around its model. They must amount to one of our splitters, recognised by its exact pattern; anything else
/// that would change ids is refused. A post-processor is passed over: it adds special tokens, and encoding text never does.
/// </summary>
internal sealed class PipelineReader(JsonPlaces places)
{
    public PreTokenizer Read(JsonElement root)
    {
        if (TryGet(root, "normalizer", out var normalizer))
            throw places.Bad("normalizer", normalizer.ValueKind == JsonValueKind.Object && TryGet(normalizer, "type", out var type) ? $"an object of type {Describe(type)}" : Describe(normalizer),
                "null: byte-level BPE encodes text as it is");
        if (TryGet(root, "decoder", out var decoder))
        {
            places.Expect(decoder, "decoder", JsonValueKind.Object);
            places.ExpectType(decoder, "decoder", "ByteLevel");
        }
        var splitter = places.Get(root, "pre_tokenizer", "the file", JsonValueKind.Object);
        if (TryGet(splitter, "type", out var kind) && places.Text(kind, "pre_tokenizer.type") == "Sequence") return ReadSequence(splitter);
        ReadByteLevel(splitter, "pre_tokenizer", useRegex: true);
        return PreTokenizer.Gpt2;
    }

    /// <summary>Split by a pattern, then ByteLevel, which only spells bytes: Llama 3, Qwen 2, and cl100k_base as others converted it.</summary>
    private PreTokenizer ReadSequence(JsonElement sequence)
    {
        const string Parts = "pre_tokenizer.pretokenizers";
        var parts = places.Get(sequence, "pretokenizers", "pre_tokenizer", JsonValueKind.Array);
        if (parts.GetArrayLength() != 2) throw places.Bad(Parts, $"{parts.GetArrayLength()} parts", "two: Split and ByteLevel");
        var (split, where) = (parts[0], $"{Parts}[0]");
        places.Expect(split, where, JsonValueKind.Object);
        places.ExpectType(split, where, "Split");
        places.ExpectFlag(split, where, "invert", wanted: false, absent: false);
        if (!TryGet(split, "behavior", out var behavior) || places.Text(behavior, $"{where}.behavior") != "Isolated")
            throw places.Bad($"{where}.behavior", TryGet(split, "behavior", out behavior) ? Describe(behavior) : "nothing", "\"Isolated\"");
        var pattern = places.Get(split, "pattern", where, JsonValueKind.Object);
        if (!TryGet(pattern, "Regex", out var regex)) throw places.Bad($"{where}.pattern", "no \"Regex\"", "\"Regex\": a pattern");
        places.Expect(parts[1], $"{Parts}[1]", JsonValueKind.Object);
        ReadByteLevel(parts[1], $"{Parts}[1]", useRegex: false);
        return ByPattern(places.Text(regex, $"{where}.pattern.Regex"), $"{where}.pattern.Regex");
    }

    private PreTokenizer ByPattern(string pattern, string where)
    {
        foreach (var (which, known) in PreTokenizers.Patterns)
            if (pattern == known) return which;
        throw places.Bad(where, Quote(pattern), "the pattern of GPT-2, of cl100k_base and Llama 3, or of Qwen 2, letter by letter; others have no splitter here");
    }

    private void ReadByteLevel(JsonElement part, string where, bool useRegex)
    {
        places.Expect(part, where, JsonValueKind.Object);
        places.ExpectType(part, where, "ByteLevel");
        places.ExpectFlag(part, where, "add_prefix_space", wanted: false, absent: true);
        places.ExpectFlag(part, where, "use_regex", wanted: useRegex, absent: true);
    }
}
