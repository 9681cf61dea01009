using System.Diagnostics.CodeAnalysis;

namespace Gpt35.Tokenization;

/// <summary>
/// OpenAI's vocabularies by name, with the special tokens that tiktoken gives them (openai/tiktoken, tiktoken_ext/openai_public.py). The rank files lie
/// in the assembly of SharpToken (MIT), which is loaded when one of them is asked for. Each is made once and shared.
/// </summary>
public static class KnownVocabularies
{
    private const string FimPrefix = "<|fim_prefix|>", FimMiddle = "<|fim_middle|>", FimSuffix = "<|fim_suffix|>";

    private static readonly Dictionary<string, Lazy<Tokenizer>> ByName = new(StringComparer.Ordinal)
    {
        ["r50k_base"] = Of("r50k_base", PreTokenizer.Gpt2, (SpecialTokens.EndOfText, 50256)),
        ["p50k_base"] = Of("p50k_base", PreTokenizer.Gpt2, (SpecialTokens.EndOfText, 50256)),
        ["p50k_edit"] = Of("p50k_base", PreTokenizer.Gpt2, (SpecialTokens.EndOfText, 50256), (FimPrefix, 50281), (FimMiddle, 50282), (FimSuffix, 50283)),
        // The chat tokens are not in tiktoken's list; their ids are those that gpt-3.5-turbo was served with.
        ["cl100k_base"] = Of("cl100k_base", PreTokenizer.Cl100k, (SpecialTokens.EndOfText, 100257), (FimPrefix, 100258), (FimMiddle, 100259),
            (FimSuffix, 100260), (SpecialTokens.ImStart, 100264), (SpecialTokens.ImEnd, 100265), ("<|endofprompt|>", 100276)),
    };

    /// <summary>The names: r50k_base (GPT-3), p50k_base (text-davinci-002/003), p50k_edit (insertion and edits), cl100k_base (gpt-3.5-turbo).</summary>
    public static IReadOnlyCollection<string> Names => ByName.Keys;

    /// <summary>The tokenizer of that name, if there is one.</summary>
    public static bool TryGet(string name, [NotNullWhen(true)] out Tokenizer? tokenizer)
    {
        tokenizer = ByName.TryGetValue(name, out var known) ? known.Value : null;
        return tokenizer is not null;
    }

    private static Lazy<Tokenizer> Of(string ranks, PreTokenizer preTokenizer, params (string Name, int Id)[] specials) => new(() =>
    {
        var resource = $"SharpToken.data.{ranks}.tiktoken";
        using var stream = typeof(SharpToken.GptEncoding).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"This version of SharpToken holds no {resource}.");
        var file = new byte[stream.Length];
        stream.ReadExactly(file);
        return new Tokenizer(TiktokenRanks.Read(file, resource, preTokenizer, [.. specials.Select(special => KeyValuePair.Create(special.Name, special.Id))]));
    });
}
