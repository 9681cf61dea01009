using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>Reads the options of a chat client. A value that cannot be followed is refused; of the additional properties, those it does not know are somebody else's.</summary>
internal sealed class ChatRequests(Tokenizer tokenizer)
{
    private const int ConstraintsKept = 32;
    private readonly Dictionary<string, Lazy<OutputConstraint>> constraints = [];     // making one takes longer than many tokens, so whoever wants another one does not wait for it

    /// <summary>The request that messages and options ask for.</summary>
    /// <param name="prompt">The conversation.</param>
    /// <param name="options">Whose values go before those of <paramref name="basis"/>.</param>
    /// <param name="basis">What <see cref="ChatOptions.RawRepresentationFactory"/> gave; null: nothing.</param>
    /// <param name="context">Longest prompt and answer together: an answer of which nothing is said may fill it.</param>
    /// <exception cref="ArgumentException">A value has the wrong kind.</exception>
    /// <exception cref="InvalidDataException">The schema or the regular expression cannot be followed.</exception>
    public GenerationRequest Read(ChatPrompt prompt, ChatOptions? options, SamplingOptions? basis, int context)
    {
        var sampling = basis ?? new SamplingOptions { MaxTokens = Math.Max(1, context - prompt.Ids.Length), Seed = (ulong)Random.Shared.NextInt64() };
        sampling = sampling with { StopTokens = [.. prompt.StopTokens.Union(sampling.StopTokens)] };
        if (options is null) return new GenerationRequest(prompt.Ids, sampling);
        var extra = new ExtraProperties(options.AdditionalProperties);
        sampling = sampling with
        {
            Temperature = ExtraProperties.Exactly(options.Temperature) ?? sampling.Temperature,
            TopP = ExtraProperties.Exactly(options.TopP) ?? sampling.TopP,
            TopK = options.TopK ?? sampling.TopK,
            MinP = extra.Number("min_p") ?? sampling.MinP,
            FrequencyPenalty = ExtraProperties.Exactly(options.FrequencyPenalty) ?? sampling.FrequencyPenalty,
            PresencePenalty = ExtraProperties.Exactly(options.PresencePenalty) ?? sampling.PresencePenalty,
            LogitBias = extra.Biases("logit_bias") ?? sampling.LogitBias,
            MaxTokens = options.MaxOutputTokens ?? sampling.MaxTokens,
            MinTokens = extra.Integer("min_tokens") ?? sampling.MinTokens,
            StopStrings = options.StopSequences is { } stops ? [.. stops] : sampling.StopStrings,
            Seed = options.Seed is { } seed ? unchecked((ulong)seed) : sampling.Seed,
            TopLogProbs = extra.Integer("top_logprobs") ?? sampling.TopLogProbs,
            Constraint = ConstraintOf(options.ResponseFormat, extra.Text("regex")) ?? sampling.Constraint,
        };
        return new GenerationRequest(prompt.Ids, sampling)
        {
            Tenant = extra.Text("tenant") ?? "",
            Priority = extra.Integer("priority") ?? 0,
            Adapter = extra.Of<LoraAdapter>("adapter", "a LoraAdapter"),
        };
    }

    private OutputConstraint? ConstraintOf(ChatResponseFormat? format, string? regex)
    {
        var json = format as ChatResponseFormatJson;
        if (json is not null && regex is not null) throw new ArgumentException("Found both a JSON response format and AdditionalProperties[\"regex\"]; expected one of them.");
        if (regex is not null) return Kept($"regex {regex}", () => OutputConstraint.Regex(regex, tokenizer));
        if (json is null) return null;
        if (json.Schema is not { } schema) return Kept("json", () => OutputConstraint.Json(tokenizer));
        return Kept($"schema {schema.GetRawText()}", () => OutputConstraint.JsonSchema(schema.GetRawText(), tokenizer));
    }

    private OutputConstraint Kept(string key, Func<OutputConstraint> make)
    {
        Lazy<OutputConstraint>? constraint;
        lock (constraints)
        {
            if (!constraints.TryGetValue(key, out constraint))
            {
                if (constraints.Count == ConstraintsKept) constraints.Clear();
                constraints[key] = constraint = new Lazy<OutputConstraint>(make);
            }
        }
        try
        {
            return constraint.Value;
        }
        catch
        {
            lock (constraints)
                if (constraints.GetValueOrDefault(key) == constraint) constraints.Remove(key);
            throw;
        }
    }
}
