namespace Gpt35.Evaluation.Reports;

/// <summary>A named curve; the class picks its colour.</summary>
internal sealed record ChartLine(string Name, string CssClass, IReadOnlyList<(double X, double Y)> Points);

/// <summary>The three kinds of chart a report needs.</summary>
internal static class Charts
{
    private const int MaxPoints = 300;

    /// <summary>Curves over steps; a curve of many points is drawn faintly, with its moving average on top.</summary>
    /// <param name="title">Shown above.</param>
    /// <param name="xLabel">Name of the horizontal axis.</param>
    /// <param name="yLabel">Name of the vertical axis.</param>
    /// <param name="lines">Curves with at least one point among them.</param>
    /// <param name="fromZero">Whether the vertical axis must contain 0.</param>
    public static string Lines(string title, string xLabel, string yLabel, IReadOnlyList<ChartLine> lines, bool fromZero = false)
    {
        lines = [.. lines.Select(l => l with { Points = Thinned(l.Points, MaxPoints) })];
        var points = lines.SelectMany(l => l.Points).ToArray();
        var (low, high) = Padded(points.Min(p => p.Y), points.Max(p => p.Y));
        if (fromZero) (low, high) = (Math.Min(0, low), Math.Max(0, high));
        var canvas = new SvgCanvas(title, (points.Min(p => p.X), points.Max(p => p.X)), (low, high)).YAxis(yLabel).XAxis(xLabel);
        foreach (var line in lines)
        {
            var many = line.Points.Count >= 40;
            if (many) canvas.Path(line.Points, $"line faint {line.CssClass}");
            canvas.Path(many ? MovingAverage(line.Points, line.Points.Count / 24) : line.Points, $"line {line.CssClass}");
        }
        if (lines.Count > 1) canvas.Legend(lines.Select(l => (l.Name, l.CssClass)));
        return canvas.ToString();
    }

    /// <summary>Counts of values in equal bins with a border at 0; bins below 0 have their own colour.</summary>
    public static string Histogram(string title, string xLabel, IReadOnlyList<double> values)
    {
        var bins = Bins(values);
        var canvas = new SvgCanvas(title, (bins[0].From, bins[^1].To), (0, bins.Max(b => b.Count))).YAxis("pairs").XAxis(xLabel);
        foreach (var (from, to, count) in bins)
            if (count > 0) canvas.Bar(from, to, count, from < 0 ? "bar wrong" : "bar s3");
        canvas.Line(canvas.X(0), canvas.Y(0), canvas.X(0), canvas.Y(bins.Max(b => b.Count)), "ca");
        return canvas.ToString();
    }

    /// <summary>Shares with their intervals, one row each, against the mark at 50 %.</summary>
    public static string Intervals(string title, string xLabel, IReadOnlyList<(string Name, Estimate Share)> rows)
    {
        var canvas = new SvgCanvas(title, (0, 100), (0, rows.Count)).XAxis(xLabel);
        for (var i = 0; i < rows.Count; i++)
        {
            var (name, share) = rows[i];
            var y = canvas.Y(rows.Count - i - 0.62);
            canvas.Text(canvas.X(0), y - 14, "cl", "start", $"{name}: {Show.Percent(share.Value)}");
            canvas.Line(canvas.X(50), y - 8, canvas.X(50), y + 8, "ca");
            canvas.Line(canvas.X(100 * share.Low), y, canvas.X(100 * share.High), y, "line s3 thick");
            canvas.Circle(canvas.X(100 * share.Value), y, "s3");
        }
        return canvas.ToString();
    }

    /// <summary>Equal bins over the values, one border at 0, about two dozen, empty ones included.</summary>
    internal static IReadOnlyList<(double From, double To, int Count)> Bins(IReadOnlyList<double> values)
    {
        double min = Math.Min(0, values.Min()), max = Math.Max(0, values.Max());
        var width = max > min ? SvgCanvas.Step(min, max, 24) : 1;
        int first = (int)Math.Floor(min / width), last = Math.Max(first, (int)Math.Floor(max / width));
        var counts = new int[last - first + 1];
        foreach (var value in values) counts[(int)Math.Floor(value / width) - first]++;
        return [.. counts.Select((count, i) => ((first + i) * width, (first + i + 1) * width, count))];
    }

    /// <summary>At most <paramref name="limit"/> points, each the mean of equally many neighbours.</summary>
    internal static IReadOnlyList<(double X, double Y)> Thinned(IReadOnlyList<(double X, double Y)> points, int limit)
    {
        if (points.Count <= limit) return points;
        var group = (points.Count + limit - 1) / limit;
        return [.. points.Chunk(group).Select(c => (c.Average(p => p.X), c.Average(p => p.Y)))];
    }

    /// <summary>Mean of up to <paramref name="reach"/> neighbours on either side, equally many on both.</summary>
    internal static IReadOnlyList<(double X, double Y)> MovingAverage(IReadOnlyList<(double X, double Y)> points, int reach)
    {
        var averages = new (double, double)[points.Count];
        for (var i = 0; i < points.Count; i++)
        {
            var r = Math.Min(reach, Math.Min(i, points.Count - 1 - i));
            double sum = 0;
            for (var j = i - r; j <= i + r; j++) sum += points[j].Y;
            averages[i] = (points[i].X, sum / (2 * r + 1));
        }
        return averages;
    }

    private static (double Low, double High) Padded(double low, double high) => (low - 0.04 * (high - low), high + 0.04 * (high - low));
}
