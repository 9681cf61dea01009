using System.Globalization;
using System.Net;

namespace Gpt35.Evaluation.Reports;

/// <summary>Numbers and text as the report shows them; what is missing is a dash.</summary>
internal static class Show
{
    public const string Missing = "–";

    public static string Percent(double? share) => share is { } s && double.IsFinite(s) ? Invariant($"{100 * s:0.0}\u00A0%") : Missing;

    public static string Number(double? value, string format = "0.000") =>
        value is { } v && double.IsFinite(v) ? v.ToString(format, CultureInfo.InvariantCulture) : Missing;

    /// <summary>12345678 as 12,345,678.</summary>
    public static string Whole(double? value) => Number(value, "#,0");

    public static string Interval(Estimate e) => e.Count == 0 ? Missing : Invariant($"{100 * e.Low:0.0}\u00A0–\u00A0{100 * e.High:0.0}\u00A0%");

    public static string Duration(double? seconds)
    {
        if (seconds is not { } s || !double.IsFinite(s)) return Missing;
        if (s < 60) return Invariant($"{s:0.0} s");
        var whole = TimeSpan.FromSeconds(Math.Round(s));
        return whole.TotalHours >= 1
            ? Invariant($"{(int)whole.TotalHours} h {whole.Minutes:00} min")
            : Invariant($"{whole.Minutes} min {whole.Seconds:00} s");
    }

    /// <summary>Name of a kind for people: yes_no as "yes/no question".</summary>
    public static string Kind(string kind) => kind switch
    {
        "yes_no" => "yes/no question",
        TinyWorldKinds.Unknown => "unanswerable question",
        TinyWorldKinds.Harmful => "harmful request",
        TinyWorldKinds.LookAlike => "harmless look-alike",
        "case" => "changing case",
        _ => kind.Replace('_', ' '),
    };

    /// <summary>Text that no browser takes for markup.</summary>
    public static string Html(string text) => WebUtility.HtmlEncode(text);

    /// <summary>Text that stays in one cell of a Markdown table and is not taken for markup.</summary>
    public static string MarkdownCell(string text)
    {
        var cell = new System.Text.StringBuilder(text.Length + 16);
        foreach (var c in text.Trim())
            cell.Append(c switch
            {
                '\n' => "<br>",
                '\r' => "",
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                '|' or '*' or '_' or '`' or '[' or ']' or '\\' or '#' or '~' => $"\\{c}",
                _ => c.ToString(),
            });
        return cell.ToString();
    }

    public static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
