using System.Collections;
using System.Globalization;
using System.Text.Json;
using Gpt35.Model;
using Gpt35.Tokenization;
using Microsoft.Extensions.AI;

namespace Gpt35.Inference;

/// <summary>Reads the options of a chat client. A value that cannot be followed is refused; of the additional properties, those it does not know are somebody else's.</summary>
internal sealed class ChatRequests(Tokenizer tokenizer)
{
    private const int ConstraintsKept = 32;
    private readonly Dictionary<string, OutputConstraint> constraints = [];     // making one takes longer than many tokens

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
        var extra = new Extras(options.AdditionalProperties);
        sampling = sampling with
        {
            Temperature = Exactly(options.Temperature) ?? sampling.Temperature,
            TopP = Exactly(options.TopP) ?? sampling.TopP,
            TopK = options.TopK ?? sampling.TopK,
            MinP = extra.Number("min_p") ?? sampling.MinP,
            FrequencyPenalty = Exactly(options.FrequencyPenalty) ?? sampling.FrequencyPenalty,
            PresencePenalty = Exactly(options.PresencePenalty) ?? sampling.PresencePenalty,
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
        lock (constraints)
        {
            if (constraints.TryGetValue(key, out var constraint)) return constraint;
            if (constraints.Count == ConstraintsKept) constraints.Clear();
            return constraints[key] = make();
        }
    }

    /// <summary>The number that was meant: 0.7f is 0.7, not 0.699999988, as it is on the command line.</summary>
    private static double? Exactly(float? value) => value is { } number ? double.Parse(number.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;

    /// <summary>Reads values that came as .NET objects or as JSON.</summary>
    private sealed class Extras(AdditionalPropertiesDictionary? values)
    {
        public double? Number(string key) => Find(key) switch
        {
            null => null,
            JsonElement { ValueKind: JsonValueKind.Number } json => json.GetDouble(),
            float number => Exactly(number),
            double or decimal or int or long or uint or ulong or short or ushort or byte or sbyte => Convert.ToDouble(Find(key), CultureInfo.InvariantCulture),
            var other => throw Wrong(key, other, "a number"),
        };

        public int? Integer(string key) => Number(key) switch
        {
            null => null,
            { } number when number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue => (int)number,
            var other => throw Wrong(key, other, "a whole number"),
        };

        public string? Text(string key) => Find(key) switch
        {
            null => null,
            string text => text,
            JsonElement { ValueKind: JsonValueKind.String } json => json.GetString(),
            var other => throw Wrong(key, other, "a text"),
        };

        public T? Of<T>(string key, string expected) where T : class => Find(key) is not { } value ? null : value as T ?? throw Wrong(key, value, expected);

        /// <summary>{ token id: bias }, ids as numbers or, as in JSON, as texts.</summary>
        public IReadOnlyDictionary<int, double>? Biases(string key)
        {
            const string Expected = "an object with token ids as names and numbers as values";
            if (Find(key) is not { } value) return null;
            IEnumerable<(object Id, object? Bias)> entries = value switch
            {
                JsonElement { ValueKind: JsonValueKind.Object } json => json.EnumerateObject().Select(entry => ((object)entry.Name, (object?)entry.Value)),
                IDictionary dictionary => dictionary.Keys.Cast<object>().Select(id => (id, dictionary[id])),
                _ => throw Wrong(key, value, Expected),
            };
            var biases = new Dictionary<int, double>();
            foreach (var (id, bias) in entries)
            {
                if (!int.TryParse(Convert.ToString(id, CultureInfo.InvariantCulture), NumberStyles.None, CultureInfo.InvariantCulture, out var token)) throw Wrong(key, value, Expected);
                biases[token] = new Extras(new() { [key] = bias }).Number(key) ?? throw Wrong(key, value, Expected);
            }
            return biases;
        }

        private object? Find(string key) => values?.GetValueOrDefault(key) is { } value and not JsonElement { ValueKind: JsonValueKind.Null } ? value : null;

        private static ArgumentException Wrong(string key, object? found, string expected) =>
            new(string.Create(CultureInfo.InvariantCulture, $"AdditionalProperties[\"{key}\"] is {found}; expected {expected}."));
    }
}
