namespace Gpt35.Tokenization;

/// <summary>Tokenizers by name and in files.</summary>
public sealed partial class Tokenizer
{
    /// <summary>
    /// Opens a tokenizer: a vocabulary by name (<see cref="KnownVocabularies.Names"/>), a Hugging Face <c>tokenizer.json</c>, a SentencePiece
    /// <c>tokenizer.model</c>, llama2.c's <c>tokenizer.bin</c>, or a folder that holds one of them or GPT-2's <c>vocab.json</c> and <c>merges.txt</c>.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is no such file, or none in the folder.</exception>
    /// <exception cref="InvalidDataException">The file is no tokenizer of these kinds; the message says where and what was expected.</exception>
    public static Tokenizer Load(string path)
    {
        if (KnownVocabularies.TryGet(path, out var known)) return known;
        var file = Directory.Exists(path) ? FileIn(path) : path;
        if (!File.Exists(file)) throw Missing(file);
        return Path.GetFileName(file) switch
        {
            Gpt2Files.VocabName or Gpt2Files.MergesName => new Tokenizer(Gpt2Files.Read(Path.GetDirectoryName(Path.GetFullPath(file))!)),
            var name when name.EndsWith(".model", StringComparison.OrdinalIgnoreCase) => new Tokenizer(SentencePieceModel.Read(file)),
            _ => FromContent(File.ReadAllBytes(file), file),
        };
    }

    /// <summary>
    /// Writes <c>tokenizer.json</c> into <paramref name="folder"/>, or <c>tokenizer.model</c> where it was read from one (temporary file,
    /// fsync, rename).
    /// </summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, model is SentencePieceModel ? SentencePieceModel.FileName : TokenizerJson.FileName);
        WholeFile.Write(file, stream =>
        {
            if (model is SentencePieceModel sentencePiece) sentencePiece.Write(stream);
            else TokenizerJson.Write(Vocabulary, stream);
        });
    }

    /// <summary>A tokenizer of its parts.</summary>
    /// <param name="parts">What it is made of.</param>
    /// <param name="file">Where that comes from, for messages.</param>
    /// <exception cref="InvalidDataException">The parts contradict each other; the message names the file and the place.</exception>
    public static Tokenizer FromParts(TokenizerParts parts, string file)
    {
        if (parts.Scores is not { } scores) return new Tokenizer(new TokenizerJsonReader(file).Read(parts));
        if (scores.Count != parts.Tokens.Count || parts.Kinds.Count != parts.Tokens.Count)
            throw new InvalidDataException($"{file}: found {parts.Tokens.Count} tokens, {scores.Count} scores and {parts.Kinds.Count} types; expected one of each for every token.");
        return new Tokenizer(SentencePieceModel.Read(SentencePieceFile.Write(parts), file));
    }

    /// <summary>What the tokenizer is made of; <see cref="FromParts"/> makes its like of it.</summary>
    /// <exception cref="InvalidDataException">It is a SentencePiece model of another kind than BPE.</exception>
    public TokenizerParts ToParts()
    {
        if (model is SentencePieceModel sentencePiece) return sentencePiece.ToParts();
        var (tokens, kinds) = (new string[VocabSize], new TokenKind[VocabSize]);
        var added = model.AddedTokens.ToDictionary(token => token.Value, token => token.Key);
        for (var id = 0; id < VocabSize; id++)
            (tokens[id], kinds[id]) =
                added.TryGetValue(id, out var name) ? (name, TokenKind.UserDefined)
                : model.SpecialNames.TryGetValue(id, out name) ? (name, TokenKind.Control)
                : Vocabulary.SpellingOf(id) is { } spelling ? (spelling, TokenKind.Normal)
                : ($"[UNUSED{id}]", TokenKind.Unused);
        return new TokenizerParts
        {
            Tokens = tokens,
            Kinds = kinds,
            Merges = [.. Vocabulary.Merges.Select(merge => $"{Vocabulary.SpellingOf(merge.Left)} {Vocabulary.SpellingOf(merge.Right)}")],
            PreTokenizer = Vocabulary.PreTokenizer,
            WordsAreTokens = Vocabulary.WordsAreTokens,
        };
    }

    private static Tokenizer FromContent(byte[] content, string file) => Llama2CTokens.TryRead(content) is { } parts
        ? FromParts(parts, file)
        : new Tokenizer(TokenizerJson.Read(content, file));

    /// <summary>
    /// The file in a folder that says most: tokenizer.json, else tokenizer.model, else GPT-2's pair. Llama 2 and Mistral come with both of the first two,
    /// and their tokenizer.json is the SentencePiece model said once more, in a way that is not read here.
    /// </summary>
    private static string FileIn(string folder)
    {
        var (json, piece) = (Path.Combine(folder, TokenizerJson.FileName), Path.Combine(folder, SentencePieceModel.FileName));
        if (File.Exists(json) && File.Exists(piece) && TokenizerJson.FallsBackToBytes(json)) return piece;
        foreach (var name in (string[])[TokenizerJson.FileName, SentencePieceModel.FileName, Gpt2Files.VocabName, Gpt2Files.MergesName])
            if (File.Exists(Path.Combine(folder, name))) return Path.Combine(folder, name);
        return Path.Combine(folder, TokenizerJson.FileName);
    }

    private static FileNotFoundException Missing(string file) => new(
        $"{file}: no such file. Expected a Hugging Face {TokenizerJson.FileName}, a SentencePiece {SentencePieceModel.FileName}, a folder that holds one of " +
        $"them or {Gpt2Files.VocabName} and {Gpt2Files.MergesName}, or a name: {string.Join(", ", KnownVocabularies.Names)}. " +
        "'gpt35 tokenizer train' makes one from text.", file);
}
