using System.CommandLine;
using System.Globalization;
using Gpt35.Cli.Terminal;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli;

/// <summary><c>--logit-bias</c> of the verbs that write text: tokens, by their id or their text, that are to come more often or never.</summary>
internal sealed class LogitBiasArgument
{
    private const double Most = 100;
    private const string Example = "Example: --logit-bias ' the=-5' or --logit-bias 262=-5.";

    private readonly Option<string[]> biases = new("--logit-bias")
    {
        Description = "Added to the logit of a token, named by its text or id, -100 to 100; may be given several times.",
        HelpName = "token=value",
    };

    public void AddTo(Command command) => command.Options.Add(biases);

    /// <summary>What was asked for, by id.</summary>
    /// <exception cref="InvalidDataException">A token is none or several, is named twice, or a value is no number of the range.</exception>
    public IReadOnlyDictionary<int, double> Read(ParseResult parsed, ModelFolder folder)
    {
        var found = new Dictionary<int, double>();
        foreach (var text in parsed.GetValue(biases) ?? [])
        {
            var border = text.LastIndexOf('=');                      // the token's text may hold one too
            if (border < 1) throw Wrong(text, "expected a token, '=' and a number");
            if (!double.TryParse(text.AsSpan(border + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !(Math.Abs(value) <= Most))
                throw Wrong(text, $"'{text[(border + 1)..]}' is no number from -{Most} to {Most}");
            var id = TokenOf(text, text[..border], folder);
            if (!found.TryAdd(id, value)) throw Wrong(text, $"token {id} has a bias already. Leave one of them out");
        }
        return found;
    }

    private static int TokenOf(string argument, string name, ModelFolder folder)
    {
        var (tokenizer, ids) = (folder.Tokenizer, folder.Model.Config.VocabSize);
        if (name.All(char.IsAsciiDigit))
            return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id < ids ? id : throw Wrong(argument, $"there is no token {name}; the model's ids run from 0 to {ids - 1}");
        if (tokenizer.SpecialTokens.TryGetValue(name, out var special)) return special;
        var tokens = tokenizer.Encode(name);
        if (tokens.Length == 1) return tokens[0];
        var parts = string.Join(", ", tokens.Select(token => $"{TokenText.Quoted(tokenizer, token)} = {token}"));
        throw Wrong(argument, $"'{name}' is {tokens.Length} tokens ({parts}), and a bias belongs to one. Name one of them; a word within a text begins with its blank");
    }

    private static InvalidDataException Wrong(string argument, string problem) => new($"--logit-bias '{argument}': {problem}. {Example}");
}
