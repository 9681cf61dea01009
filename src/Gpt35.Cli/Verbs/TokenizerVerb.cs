using System.CommandLine;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 tokenizer train|encode|decode|inspect</c>.</summary>
internal static class TokenizerVerb
{
    public static Command Create(Session session) => new("tokenizer", "Train a byte-level BPE tokenizer, use it, look into it.")
    {
        TokenizerTrainVerb.Create(session),
        TokenizerEncodeVerb.Create(session),
        TokenizerDecodeVerb.Create(session),
        TokenizerInspectVerb.Create(session),
    };
}

/// <summary>What encode, decode and inspect share: the vocabulary, and an input that is a file, standard input or an option.</summary>
internal sealed class TokenizerInput(string what, string option)
{
    private readonly Option<string> vocabulary = new("--vocab")
    {
        Description = $"{string.Join(", ", KnownVocabularies.Names)}; tokenizer.json, tokenizer.model; or a folder that holds one, such as a model.",
        Required = true,
    };

    private readonly Option<string?> inline = new(option) { Description = $"{what}, given here." };

    private readonly Argument<string?> file = new("file") { Description = $"File with {what.ToLowerInvariant()}; - for standard input.", Arity = ArgumentArity.ZeroOrOne };

    public void AddTo(Command command)
    {
        command.Add(file);
        command.Add(vocabulary);
        command.Add(inline);
    }

    public Tokenizer Tokenizer(ParseResult parsed) => Tokenization.Tokenizer.Load(parsed.GetRequiredValue(vocabulary));

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(file) is not null || parsed.GetValue(inline) is not null;

    /// <summary>The input, and its name for messages.</summary>
    /// <exception cref="UsageException">It is given twice.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public (Stream Content, string Name) Open(ParseResult parsed, Session session) => (parsed.GetValue(file), parsed.GetValue(inline)) switch
    {
        (not null, not null) => throw new UsageException($"Found both a file and {option}; expected one of them."),
        (null, { } given) => (new MemoryStream(System.Text.Encoding.UTF8.GetBytes(given)), option),
        (null or "-", null) => (session.OpenInput(), "standard input"),
        ({ } path, null) => (File.OpenRead(InputFile.Require(path, $"a file with {what.ToLowerInvariant()}, or - for standard input")), path),
    };

    public static byte[] ReadAll(Stream stream)
    {
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    /// <summary>Lines without their ends (\n or \r\n); a last line without an end counts.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> ReadLines(Stream stream)
    {
        var line = new MemoryStream();
        var buffer = new byte[1 << 16];
        while (stream.Read(buffer) is var count and > 0)
        {
            var start = 0;
            while (buffer.AsSpan(start, count - start).IndexOf((byte)'\n') is var length and >= 0)
            {
                line.Write(buffer, start, length);
                yield return TakeLine();
                start += length + 1;
            }
            line.Write(buffer, start, count - start);
        }
        if (line.Length > 0) yield return TakeLine();

        ReadOnlyMemory<byte> TakeLine()
        {
            var bytes = line.ToArray();
            line.SetLength(0);
            return bytes is [.., (byte)'\r'] ? bytes.AsMemory(0, bytes.Length - 1) : bytes;
        }
    }
}
