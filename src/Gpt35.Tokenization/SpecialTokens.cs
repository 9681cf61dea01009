namespace Gpt35.Tokenization;

/// <summary>Names of the special tokens of the GPT-3.5 family.</summary>
public static class SpecialTokens
{
    public const string EndOfText = "<|endoftext|>";
    public const string ImStart = "<|im_start|>";
    public const string ImEnd = "<|im_end|>";
    public const string FimPrefix = "<|fim_prefix|>";
    public const string FimMiddle = "<|fim_middle|>";
    public const string FimSuffix = "<|fim_suffix|>";

    /// <summary>What a newly trained vocabulary reserves, in id order.</summary>
    public static readonly IReadOnlyList<string> Default = [EndOfText, ImStart, ImEnd];
}
