using System.CommandLine;
using Gpt35.Inference;
using Gpt35.Tokenization;

namespace Gpt35.Cli;

/// <summary>The options that say what a text must look like.</summary>
internal sealed class ConstraintArguments
{
    private readonly Option<string?> schema = new("--json-schema") { Description = "File with a JSON schema; the text is JSON that satisfies it." };
    private readonly Option<bool> json = new("--json-mode") { Description = "The text is a JSON object." };
    private readonly Option<string?> regex = new("--regex") { Description = "The whole text matches this regular expression." };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[schema, json, regex]) command.Options.Add(option);
    }

    /// <summary>What was asked for, or null.</summary>
    /// <exception cref="InvalidDataException">More than one was, or it cannot be followed.</exception>
    public OutputConstraint? Read(ParseResult parsed, Tokenizer tokenizer)
    {
        var (file, pattern, any) = (parsed.GetValue(schema), parsed.GetValue(regex), parsed.GetValue(json));
        if ((file is null ? 0 : 1) + (pattern is null ? 0 : 1) + (any ? 1 : 0) > 1)
            throw new InvalidDataException("Found more than one of --json-schema, --json-mode and --regex. A text is held to one of them; leave the others out.");
        if (any) return OutputConstraint.Json(tokenizer);
        if (pattern is not null) return OutputConstraint.Regex(pattern, tokenizer);
        if (file is null) return null;
        try
        {
            return OutputConstraint.JsonSchema(File.ReadAllText(InputFile.Require(file, "a JSON schema")), tokenizer);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{file}: {e.Message}", e);
        }
    }

    /// <exception cref="InvalidDataException">The tokens ran out within the document.</exception>
    public static void RequireWhole(SamplingOptions options, string text)
    {
        if (options.Constraint?.Accepts(text) == false)
            throw new InvalidDataException($"The text ends within the document: found no way to close it within {options.MaxTokens} tokens, the room left in the context or before a --stop text. Raise --max-tokens, or shorten the prompt.");
    }
}
