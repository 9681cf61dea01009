using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gpt35.Tokenization;

/// <summary>
/// The part of Hugging Face's <c>tokenizer.json</c> that is byte-level BPE: model BPE, pre-tokenizer ByteLevel (GPT-2) or Split and ByteLevel
/// (Llama 3), added tokens. Anything else in the file that would change ids is refused, not ignored.
/// </summary>
internal static class TokenizerJson
{
    public const string FileName = "tokenizer.json";

    /// <param name="utf8">Content of the file.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <exception cref="InvalidDataException">The content is not such a tokenizer.</exception>
    public static Vocabulary Read(ReadOnlyMemory<byte> utf8, string file) => Guard(file, utf8, root => new TokenizerJsonReader(file).Read(root));

    /// <summary>Whether the file says that characters without a token become bytes, as in a SentencePiece model.</summary>
    public static bool FallsBackToBytes(string file)
    {
        ReadOnlySpan<byte> content = File.ReadAllBytes(file);
        return content.IndexOf("\"byte_fallback\": true"u8) >= 0 || content.IndexOf("\"byte_fallback\":true"u8) >= 0;
    }

    /// <summary>Parses JSON and hands its root over; what is no JSON becomes an error that names the file and the place.</summary>
    public static Vocabulary Guard(string file, ReadOnlyMemory<byte> utf8, Func<JsonElement, Vocabulary> read)
    {
        var bom = utf8.Span.StartsWith("\uFEFF"u8) ? 3 : 0;
        try
        {
            using var document = JsonDocument.Parse(utf8[bom..]);
            return read(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{file}: not valid JSON ({error.Message.TrimEnd('.')}). " +
                $"Expected a complete {Path.GetFileName(file)}; copy or make it again.", error);
        }
    }

    /// <summary>
    /// Writes tokens in id order. Special tokens stand in the vocabulary too, as in GPT-2's file, so that readers which number added
    /// tokens themselves give them the same ids.
    /// </summary>
    public static void Write(Vocabulary vocabulary, Stream stream)
    {
        var options = new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using var json = new Utf8JsonWriter(stream, options);
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json, vocabulary);
        json.WriteNull("normalizer");
        WritePreTokenizer(json, vocabulary.PreTokenizer);
        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        WriteByteLevel(json, useRegex: true);
        WriteModel(json, vocabulary);
        json.WriteEndObject();
    }

    private static void WriteAddedTokens(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        json.WriteStartArray("added_tokens");
        foreach (var (name, id) in vocabulary.SpecialTokens.Concat(vocabulary.AddedTokens).OrderBy(token => token.Value))
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", name);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", vocabulary.SpecialTokens.ContainsKey(name));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json, PreTokenizer preTokenizer)
    {
        json.WritePropertyName("pre_tokenizer");
        if (preTokenizer == PreTokenizer.Gpt2)
        {
            WriteByteLevel(json, useRegex: true);
            return;
        }
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", PreTokenizers.Patterns[preTokenizer]);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        WriteByteLevel(json, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool useRegex)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", vocabulary.WordsAreTokens);
        json.WriteStartObject("vocab");
        var addedNames = vocabulary.AddedTokens.ToDictionary(token => token.Value, token => token.Key);
        for (var id = 0; id < vocabulary.Size; id++)
            if ((addedNames.GetValueOrDefault(id) ?? vocabulary.SpellingOf(id) ?? vocabulary.SpecialNames.GetValueOrDefault(id)) is { } token)
                json.WriteNumber(token, id);
        json.WriteEndObject();
        // "left right" is the older form of a merge and the one every version of the library reads.
        json.WriteStartArray("merges");
        foreach (var merge in vocabulary.Merges)
            json.WriteStringValue($"{vocabulary.SpellingOf(merge.Left)} {vocabulary.SpellingOf(merge.Right)}");
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
