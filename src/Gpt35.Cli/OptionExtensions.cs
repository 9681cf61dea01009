using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Gpt35.Cli;

/// <summary>Options whose range, or whose words, are part of their declaration, so that a wrong value is a usage error with a readable message.</summary>
internal static class OptionExtensions
{
    public static Option<T> AtLeast<T>(this Option<T> option, T minimum) where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, minimum, null);
        return option;
    }

    public static Option<T> Between<T>(this Option<T> option, T minimum, T maximum) where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, minimum, maximum);
        return option;
    }

    public static Option<T?> Between<T>(this Option<T?> option, T minimum, T maximum) where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, minimum, maximum);
        return option;
    }

    public static Option<T?> AtLeast<T>(this Option<T?> option, T minimum) where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, minimum, null);
        return option;
    }

    public static Option<T> WithDefault<T>(this Option<T> option, T value)
    {
        option.DefaultValueFactory = _ => value;
        return option;
    }

    /// <summary>One of a few words.</summary>
    public static Option<T> OneOf<T>(this Option<T> option, params string[] words)
    {
        option.CompletionSources.Add(words);
        option.Validators.Add(result =>
        {
            foreach (var word in result.Tokens.Select(token => token.Value).Except(words))
                result.AddError($"{option.Name} is '{word}'; expected {string.Join(", ", words[..^1])} or {words[^1]}.");
        });
        return option;
    }

    private static T Parse<T>(ArgumentResult result, string name, T minimum, T? maximum) where T : struct, INumber<T>
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
        if (T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= minimum && !(value > maximum)) return value;
        var kind = T.IsInteger(T.One / (T.One + T.One)) ? "a whole number" : "a number";
        var range = maximum is { } top ? $"between {minimum} and {top}" : $"of at least {minimum}";
        result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} is '{text}'; expected {kind} {range}."));
        return default;
    }
}
