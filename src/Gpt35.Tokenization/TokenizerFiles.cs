namespace Gpt35.Tokenization;

/// <summary>Tokenizers by name and in files.</summary>
public sealed partial class Tokenizer
{
    /// <summary>
    /// Opens a tokenizer: a vocabulary by name (<see cref="KnownVocabularies.Names"/>), a Hugging Face <c>tokenizer.json</c>, a SentencePiece
    /// <c>tokenizer.model</c>, or a folder that holds one of them or GPT-2's <c>vocab.json</c> and <c>merges.txt</c>.
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
            _ => new Tokenizer(TokenizerJson.Read(File.ReadAllBytes(file), file)),
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

    /// <summary>The file in a folder that says most: tokenizer.json, else tokenizer.model, else GPT-2's pair.</summary>
    private static string FileIn(string folder)
    {
        foreach (var name in (string[])[TokenizerJson.FileName, SentencePieceModel.FileName, Gpt2Files.VocabName, Gpt2Files.MergesName])
            if (File.Exists(Path.Combine(folder, name))) return Path.Combine(folder, name);
        return Path.Combine(folder, TokenizerJson.FileName);
    }

    private static FileNotFoundException Missing(string file) => new(
        $"{file}: no such file. Expected a Hugging Face {TokenizerJson.FileName}, a SentencePiece {SentencePieceModel.FileName}, a folder that holds one of " +
        $"them or {Gpt2Files.VocabName} and {Gpt2Files.MergesName}, or a name: {string.Join(", ", KnownVocabularies.Names)}. " +
        "'gpt35 tokenizer train' makes one from text.", file);
}
