using Gpt35.Tokenization;

namespace Gpt35.Model;

/// <summary>
/// A tokenizer as GGUF metadata, both ways: byte-level BPE under llama.cpp's name <c>gpt2</c>, SentencePiece under <c>llama</c>. The name in
/// <c>tokenizer.ggml.pre</c> chooses the pattern that cuts text into words there (llama.cpp, src/llama-vocab.cpp).
/// </summary>
internal static class GgufTokenizer
{
    private const string Model = "tokenizer.ggml.model", Pre = "tokenizer.ggml.pre", Tokens = "tokenizer.ggml.tokens", Scores = "tokenizer.ggml.scores";
    private const string Types = "tokenizer.ggml.token_type", Merges = "tokenizer.ggml.merges", Begin = "tokenizer.ggml.bos_token_id", End = "tokenizer.ggml.eos_token_id";
    private const string EndOfTurn = "tokenizer.ggml.eot_token_id", Unknown = "tokenizer.ggml.unknown_token_id", AddBegin = "tokenizer.ggml.add_bos_token";
    private const string AddEnd = "tokenizer.ggml.add_eos_token", AddSpace = "tokenizer.ggml.add_space_prefix", RemoveSpaces = "tokenizer.ggml.remove_extra_whitespaces";
    private const string WordsAreTokens = "gpt35.words_are_tokens";

    /// <summary>Key of the Jinja template of a chat model.</summary>
    public const string ChatTemplate = "tokenizer.chat_template";

    /// <exception cref="InvalidDataException">There is none, or one of another kind.</exception>
    public static Tokenizer Read(string path, GgufMetadata metadata)
    {
        var tokens = metadata.Array<string>(Tokens);
        var kinds = metadata.TryArray<int>(Types)?.Select(type => (TokenKind)type).ToArray() ?? [.. Enumerable.Repeat(TokenKind.Normal, tokens.Length)];
        // A model may have more rows than its vocabulary has tokens; what fills them up is no token.
        var used = Math.Min(tokens.Length, kinds.Length);
        while (used > 0 && kinds[used - 1] == TokenKind.Unused) used--;
        if (kinds.Length == tokens.Length) (tokens, kinds) = (tokens[..used], kinds[..used]);
        var parts = new TokenizerParts { Tokens = tokens, Kinds = kinds };
        return Tokenizer.FromParts(metadata.Text(Model) switch
        {
            "gpt2" => ReadByteLevel(path, metadata, parts),
            "llama" => ReadSentencePiece(metadata, parts),
            var other => throw new InvalidDataException($"{path}: the tokenizer is of kind \"{other}\"; read here: gpt2 (byte-level BPE) and llama (SentencePiece). Name another with --tokenizer."),
        }, path);
    }

    private static TokenizerParts ReadByteLevel(string path, GgufMetadata metadata, TokenizerParts parts)
    {
        var pre = metadata.TryText(Pre) ?? "gpt-2";
        var (preTokenizer, ignoresMerges) = pre switch
        {
            "gpt-2" => (PreTokenizer.Gpt2, false),
            "llama-bpe" or "llama-v3" or "llama3" => (PreTokenizer.Cl100k, true),
            "dbrx" or "smaug-bpe" => (PreTokenizer.Cl100k, false),
            "qwen2" => (PreTokenizer.Qwen2, false),
            _ => throw new InvalidDataException($"{path}: {Pre} is \"{pre}\"; read here: gpt-2, llama-bpe, dbrx, smaug-bpe, qwen2. Others have no splitter here; name another tokenizer with --tokenizer."),
        };
        return parts with
        {
            Merges = metadata.Array<string>(Merges),
            PreTokenizer = preTokenizer,
            WordsAreTokens = metadata.TryFlag(WordsAreTokens) ?? ignoresMerges,
        };
    }

    private static TokenizerParts ReadSentencePiece(GgufMetadata metadata, TokenizerParts parts) => parts with
    {
        Scores = [.. metadata.Array<float>(Scores).Take(parts.Tokens.Count)],
        AddsSpace = metadata.TryFlag(AddSpace) ?? true,
        RemovesExtraSpaces = metadata.TryFlag(RemoveSpaces) ?? false,
        Unknown = metadata.TryInteger(Unknown) ?? 0,
        Begin = metadata.TryInteger(Begin) ?? 1,
        End = metadata.TryInteger(End) ?? 2,
    };

    /// <param name="metadata">Receives the tokenizer.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="rows">V of the model; what the tokenizer lacks is filled up.</param>
    /// <param name="endOfTurn">Name of the special token that ends an answer; null for a base model.</param>
    /// <param name="chatTemplate">Jinja; null where there is none.</param>
    public static void Write(GgufMetadata metadata, Tokenizer tokenizer, int rows, string? endOfTurn, string? chatTemplate)
    {
        var parts = tokenizer.ToParts();
        var filling = Enumerable.Range(parts.Tokens.Count, rows - parts.Tokens.Count).ToArray();
        metadata.Add(Model, parts.Scores is null ? "gpt2" : "llama");
        metadata.Add(Pre, parts.Scores is not null ? "default" : parts.PreTokenizer switch
        {
            PreTokenizer.Gpt2 => "gpt-2",
            PreTokenizer.Qwen2 => "qwen2",
            _ => parts.WordsAreTokens ? "llama-bpe" : "dbrx",               // the same pattern, with and without ignoring merges
        });
        metadata.Add(Tokens, (string[])[.. parts.Tokens, .. filling.Select(id => $"[PAD{id}]")]);
        if (parts.Scores is not null) metadata.Add(Scores, (float[])[.. parts.Scores, .. filling.Select(_ => -10000f)]);
        metadata.Add(Types, (int[])[.. parts.Kinds.Select(kind => (int)kind), .. filling.Select(_ => (int)TokenKind.Unused)]);
        if (parts.Scores is null)
        {
            metadata.Add(Merges, parts.Merges.ToArray());
            metadata.Add(WordsAreTokens, parts.WordsAreTokens);
        }
        else
        {
            metadata.Add(Unknown, (uint)parts.Unknown);
            metadata.Add(AddSpace, parts.AddsSpace);
            metadata.Add(RemoveSpaces, parts.RemovesExtraSpaces);
        }
        metadata.Add(Begin, (uint)tokenizer.StartOfText);
        metadata.Add(End, (uint)tokenizer.EndOfText);
        if (endOfTurn is not null && tokenizer.SpecialTokens.TryGetValue(endOfTurn, out var end)) metadata.Add(EndOfTurn, (uint)end);
        // A base model has learned that a document begins after this token; a chat format says itself where it stands.
        metadata.Add(AddBegin, endOfTurn is null || parts.Scores is not null);
        metadata.Add(AddEnd, false);
        if (chatTemplate is not null) metadata.Add(ChatTemplate, chatTemplate);
    }
}
