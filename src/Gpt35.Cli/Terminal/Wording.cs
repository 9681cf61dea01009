using System.Globalization;

namespace Gpt35.Cli.Terminal;

/// <summary>Numbers, times and metrics as they appear on the terminal: short, aligned by the reader's eye, culture-free.</summary>
internal static class Wording
{
    /// <summary>Metrics shown while a stage runs, in this order, with the name printed; all others are in metrics.jsonl.</summary>
    private static readonly (string Key, string Label)[] Shown =
    [
        ("loss", "loss"), ("accuracy", "accuracy"), ("score", "score"), ("kl_per_token", "KL"), ("tokens_per_second", "tok/s"), ("answers_per_second", "answers/s"), ("megabytes_per_second", "MB/s"),
    ];

    /// <summary>The metrics worth watching, in order: "loss 2.31", "41k tok/s".</summary>
    public static IReadOnlyList<string> Metrics(IReadOnlyDictionary<string, double> metrics) =>
    [
        .. from shown in Shown
           where metrics.ContainsKey(shown.Key)
           let value = metrics[shown.Key]
           select shown.Key.EndsWith("_per_second", StringComparison.Ordinal) ? $"{Rate(value)} {shown.Label}" : $"{shown.Label} {Number(value)}",
    ];

    /// <summary>Three or four significant digits: 2.314, 0.0021, 12.5, 1,234.</summary>
    public static string Number(double value) => Math.Abs(value) switch
    {
        >= 1000 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 100 => value.ToString("F0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("F1", CultureInfo.InvariantCulture),
        >= 0.1 or 0 => value.ToString("F3", CultureInfo.InvariantCulture),
        _ => value.ToString("0.####", CultureInfo.InvariantCulture),
    };

    /// <summary>950, 41k, 1.2M.</summary>
    public static string Rate(double perSecond) => perSecond switch
    {
        >= 1e6 => (perSecond / 1e6).ToString("F1", CultureInfo.InvariantCulture) + "M",
        >= 10e3 => (perSecond / 1e3).ToString("F0", CultureInfo.InvariantCulture) + "k",
        >= 1e3 => (perSecond / 1e3).ToString("F1", CultureInfo.InvariantCulture) + "k",
        _ => perSecond.ToString("F0", CultureInfo.InvariantCulture),
    };

    /// <summary>0:07, 3:21, 1:02:45.</summary>
    public static string Duration(TimeSpan time) =>
        time.TotalHours >= 1
            ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}"
            : $"{(int)time.TotalMinutes}:{time.Seconds:00}";

    /// <summary>"412/1000  loss 2.31  41k tok/s  3:21 left"; where that is wider than <paramref name="width"/>, the last metrics are left out.</summary>
    public static string Progress(Pace pace, IReadOnlyList<string> metrics, int width = int.MaxValue)
    {
        string[] left = pace.Left is { } time && pace.Step < pace.Total ? [Duration(time) + " left"] : [];
        for (var shown = metrics.Count; ; shown--)
        {
            var line = string.Join("  ", [$"{pace.Step}/{pace.Total}", .. metrics.Take(shown), .. left]);
            if (line.Length <= width || shown == 0) return line;
        }
    }
}
