using System.CommandLine;
using System.Text;

namespace Gpt35.Cli;

/// <summary>Words parse errors, with the nearest verb or option where one was mistyped.</summary>
internal static class UsageErrors
{
    /// <summary>One message for all errors of a command line, ending with where to look further.</summary>
    public static string Describe(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var text = new StringBuilder();
        var unknown = parsed.UnmatchedTokens;
        // What follows an unknown word is often unknown only because of it.
        if (unknown.Count > 0) text.Append(Unknown(unknown[0], command));
        else if (command.Subcommands.Count > 0)
            text.Append($"'{PathOf(command)}' needs one of: {string.Join(", ", Visible(command.Subcommands).Select(c => c.Name))}.\n");
        else
            foreach (var message in parsed.Errors.Select(e => e.Message).Distinct())
                text.Append(message).Append('\n');
        return text.Append($"See '{PathOf(command)} --help'.").ToString();
    }

    /// <summary>The words that lead to a command: "gpt35 eval run".</summary>
    public static string PathOf(Command command) =>
        command is RootCommand ? "gpt35" : $"{PathOf(command.Parents.OfType<Command>().First())} {command.Name}";

    private static string Unknown(string token, Command command)
    {
        var isOption = token.StartsWith('-');
        var known = isOption
            ? Visible(OptionsOf(command)).SelectMany(o => (IEnumerable<string>)[o.Name, .. o.Aliases]).Where(n => n.StartsWith("--"))
            : Visible(command.Subcommands).Select(c => c.Name);
        var what = isOption ? "option" : command.Subcommands.Count > 0 ? "verb" : "argument";
        var name = isOption ? token.Split('=')[0] : token;
        var near = Nearest(name, known);
        // The commonest surplus word is the second one of a text that the shell has cut at its spaces.
        var hint = what == "argument" && command.Arguments.Count > 0 ? " A text or path of several words goes in quotation marks." : "";
        return near is null
            ? $"'{PathOf(command)}' knows no {what} '{name}'.{hint}\n"
            : $"'{PathOf(command)}' knows no {what} '{name}'. Did you mean '{near}'?\n";
    }

    private static IEnumerable<Option> OptionsOf(Command command) =>
        command.Options.Concat(command.Parents.OfType<Command>().SelectMany(OptionsOf).Where(o => o.Recursive));

    private static IEnumerable<T> Visible<T>(IEnumerable<T> symbols) where T : Symbol => symbols.Where(s => !s.Hidden);

    /// <summary>The known name that takes the fewest edits, if it takes few: at most a third of its length, or it begins alike.</summary>
    internal static string? Nearest(string name, IEnumerable<string> known) =>
        known.Select(k => (Name: k, Edits: k.StartsWith(name, StringComparison.OrdinalIgnoreCase) && name.Trim('-').Length > 1 ? 1 : Edits(name, k)))
            .Where(k => k.Edits <= Math.Max(2, k.Name.Length / 3))
            .OrderBy(k => k.Edits).ThenBy(k => k.Name, StringComparer.Ordinal)
            .Select(k => k.Name)
            .FirstOrDefault();

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours between two names (optimal string alignment).</summary>
    internal static int Edits(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
            for (var j = 1; j <= b.Length; j++)
            {
                var substitution = d[i - 1, j - 1] + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                d[i, j] = Math.Min(substitution, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        return d[a.Length, b.Length];
    }
}
