using System.Text;
using CsCheck;
using Gpt35.Tests;

namespace Gpt35.Tokenization.Tests;

public sealed class SentencePieceTests : IDisposable
{
    private static readonly byte[] Small = SentencePieceProto.Of(
        ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), "▁t", "he", "▁the", "re", "▁", "t", "h", "e", "r", "a", "n", "!"]);

    private readonly string folder = Directory.CreateTempSubdirectory("gpt35-sentencepiece-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_model_encodes_and_decodes_and_falls_back_to_bytes()
    {
        var tokenizer = Load(Small);
        Assert.Equal(271, tokenizer.VocabSize);
        Assert.Equal(2, tokenizer.EndOfText);
        Assert.Equal(["<unk>", "<s>", "</s>"], tokenizer.SpecialTokens.OrderBy(token => token.Value).Select(token => token.Key));
        Assert.Equal("▁the|re".Split('|').Select(piece => piece.Replace('▁', ' ')), tokenizer.Encode("there").Select(id => Encoding.UTF8.GetString(tokenizer.TokenBytes(id))));
        Assert.Equal([.. tokenizer.Encode("t"), 3 + 0xC3, 3 + 0xA9], tokenizer.Encode("té"));
        Assert.Equal("the🦊 t", tokenizer.Decode(tokenizer.Encode("the🦊 t")));
    }

    [Fact]
    public void Text_comes_back_and_never_becomes_a_special_token() => Texts.AnyString.Sample(text =>
    {
        var tokenizer = Load(Small);
        text = string.Concat(text.EnumerateRunes());
        var ids = tokenizer.Encode(text);
        Assert.DoesNotContain(ids, tokenizer.SpecialTokens.Values.Contains);
        Assert.Equal(text, tokenizer.Decode(ids));
    }, iter: 300);

    [Fact]
    public void A_saved_model_is_the_file_it_was_read_from()
    {
        Load(Small).Save(Path.Combine(folder, "copy"));
        Assert.Equal(Small, File.ReadAllBytes(Path.Combine(folder, "copy", "tokenizer.model")));
        Assert.Equal(Load(Small).Encode("there"), Tokenizer.Load(Path.Combine(folder, "copy")).Encode("there"));
    }

    [Fact]
    public void Ids_of_a_real_vocabulary_are_those_of_its_definition()
    {
        var (pieces, scores) = ReadLlama2C(SharedData.Require("models/tok512.bin"));
        var tokenizer = Load(SentencePieceProto.Of(pieces, scores));
        Assert.Equal(512, tokenizer.VocabSize);
        var story = File.ReadLines(SharedData.Require("text/tinystories_a.txt")).Where(line => line.Length > 0).Take(50);
        foreach (var line in story) Assert.Equal(ByDefinition(pieces, scores, line), tokenizer.Encode(line));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no model at all")]
    [InlineData("\u0012\u00FF\u00FF\u00FF\u007F")]
    public void What_is_no_model_is_refused(string content)
    {
        var error = Assert.Throws<InvalidDataException>(() => Load(Encoding.Latin1.GetBytes(content)));
        Assert.Contains("tokenizer.model: found no SentencePiece model", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Damaged_models_are_refused_or_still_work() => Gen.Select(Gen.Int[0, Small.Length - 1], Gen.Byte, Gen.Bool).Sample((at, value, cut) =>
    {
        var damaged = cut ? Small[..at] : [.. Small[..at], value, .. Small[(at + 1)..]];
        try
        {
            var tokenizer = Load(damaged);
            Assert.All(tokenizer.Encode("there"), id => Assert.InRange(id, 0, tokenizer.VocabSize - 1));
        }
        catch (InvalidDataException error)
        {
            Assert.StartsWith(folder, error.Message);
        }
    }, iter: 500, threads: 1);

    private Tokenizer Load(byte[] model)
    {
        var file = Path.Combine(folder, $"{Environment.CurrentManagedThreadId}", "tokenizer.model");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, model);
        return Tokenizer.Load(file);
    }

    /// <summary>llama2.c's file: the longest token, then for each a score, its length and its bytes.</summary>
    private static (string[] Pieces, float[] Scores) ReadLlama2C(string file)
    {
        using var reader = new BinaryReader(File.OpenRead(file));
        reader.ReadInt32();
        var (pieces, scores) = (new List<string>(), new List<float>());
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            scores.Add(reader.ReadSingle());
            var piece = Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32()));
            pieces.Add(pieces.Count switch { 0 => "<unk>", 1 => "<s>", 2 => "</s>", < 259 => $"<0x{pieces.Count - 3:X2}>", _ => piece.Replace(' ', '▁') });
        }
        return ([.. pieces], [.. scores]);
    }

    /// <summary>Merge the neighbours whose concatenation has the highest score, the leftmost among equals, until none has one.</summary>
    private static int[] ByDefinition(string[] pieces, float[] scores, string text)
    {
        var idOf = new Dictionary<string, int>();
        for (var id = 3; id < pieces.Length; id++) idOf[pieces[id]] = id;
        var parts = $"▁{text.Replace(' ', '▁')}".EnumerateRunes().Select(rune => rune.ToString()).ToList();
        while (true)
        {
            var best = Enumerable.Range(0, parts.Count - 1).Where(i => idOf.ContainsKey(parts[i] + parts[i + 1]))
                .OrderByDescending(i => scores[idOf[parts[i] + parts[i + 1]]]).ThenBy(i => i).Cast<int?>().FirstOrDefault();
            if (best is not { } at) break;
            parts[at] += parts[at + 1];
            parts.RemoveAt(at + 1);
        }
        return [.. parts.SelectMany(part => idOf.TryGetValue(part, out var id) ? [id] : Encoding.UTF8.GetBytes(part).Select(value => value + 3))];
    }
}
