using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>How text is cut into words, inside which merges happen.</summary>
public enum PreTokenizer
{
    /// <summary>GPT-2 and GPT-3; also r50k_base and p50k_base.</summary>
    Gpt2,
    /// <summary>gpt-3.5-turbo's cl100k_base; Llama 3 has the same pattern.</summary>
    Cl100k,
    /// <summary>As cl100k, but every digit is a word of its own (Qwen 2).</summary>
    Qwen2,
}

/// <summary>A splitter written out by hand; a structure, so that the loop around it is compiled once for each.</summary>
internal interface ISplitter
{
    /// <summary>End of the word that begins at <paramref name="start"/>; <paramref name="start"/> is a position of <paramref name="text"/>.</summary>
    static abstract int NextEnd(ReadOnlySpan<byte> text, int start);
}

/// <summary>What the splitters share.</summary>
internal static class PreTokenizers
{
    /// <summary>The patterns as <c>tokenizer.json</c> spells them (openai/tiktoken, tiktoken_ext/openai_public.py; Llama 3 and Qwen 2, tokenizer.json).</summary>
    public static readonly IReadOnlyDictionary<PreTokenizer, string> Patterns = new Dictionary<PreTokenizer, string>
    {
        [PreTokenizer.Gpt2] = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        [PreTokenizer.Cl100k] =
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        [PreTokenizer.Qwen2] =
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    };

    /// <summary>End of the word that begins at <paramref name="start"/>.</summary>
    public static int NextEnd(this PreTokenizer which, ReadOnlySpan<byte> text, int start) => which switch
    {
        PreTokenizer.Gpt2 => Gpt2Splitter.NextEnd(text, start),
        PreTokenizer.Cl100k => Cl100kSplitter.NextEnd(text, start),
        _ => Qwen2Splitter.NextEnd(text, start),
    };

    /// <summary>
    /// The last place at or before <paramref name="position"/> where a word ends whatever stands before and after it, or 0. In every pattern
    /// letters come last in a word, so that is any place between a letter and something else. Where text is cut there, the parts
    /// have the words of the whole.
    /// </summary>
    public static int SafeCut(ReadOnlySpan<byte> text, int position)
    {
        for (position = Math.Min(position, text.Length - 1); position > 0; position--)
        {
            if ((text[position] & 0xC0) == 0x80) continue;                  // inside a character
            if (CharacterKinds.At(text, position, out _) == CharacterKind.Letter) continue;
            if (Rune.DecodeLastFromUtf8(text[..position], out var rune, out var length) == System.Buffers.OperationStatus.Done &&
                CharacterKinds.At(text, position - length, out _) == CharacterKind.Letter) return position;
        }
        return 0;
    }

    /// <summary>End of the letters that begin at <paramref name="position"/>, which may be the end of the text.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int LettersEnd(ReadOnlySpan<byte> text, int position)
    {
        if (position + Vector128<byte>.Count <= text.Length)
        {
            // Nearly every word ends within 16 bytes, and a mask finds where without a branch for each.
            var block = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(text), (nuint)position);
            var offset = (block | Vector128.Create((byte)0x20)) - Vector128.Create((byte)'a');
            var letters = Vector128.LessThan(offset, Vector128.Create((byte)26)).ExtractMostSignificantBits();
            position += BitOperations.TrailingZeroCount(~letters);
            if (letters != 0xFFFF && text[position] < 0x80) return position;
        }
        return CharacterKinds.RunEnd(text, position, CharacterKind.Letter);
    }
}
