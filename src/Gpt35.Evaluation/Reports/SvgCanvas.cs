using System.Text;

namespace Gpt35.Evaluation.Reports;

/// <summary>
/// The frame of a chart: margins, scales, grid, ticks and labels, as SVG. Colours come from CSS classes, so a chart follows
/// the light or dark scheme of the page, and text is real text in the reader's font, so no font is needed where it is written.
/// </summary>
internal sealed class SvgCanvas
{
    public const double Width = 480, Height = 270;
    private const double Left = 54, Right = 14, Top = 34, Bottom = 44;
    private readonly StringBuilder body = new();
    private readonly (double Min, double Max) x, y;

    public SvgCanvas(string title, (double Min, double Max) x, (double Min, double Max) y)
    {
        (this.x, this.y) = (Widened(x), Widened(y));
        Title = title;
        Text(Left, 16, "ct", "start", title);
    }

    public string Title { get; }

    public double X(double value) => Left + (value - x.Min) / (x.Max - x.Min) * (Width - Left - Right);
    public double Y(double value) => Height - Bottom - (value - y.Min) / (y.Max - y.Min) * (Height - Top - Bottom);

    public SvgCanvas XAxis(string label)
    {
        foreach (var tick in Ticks(x.Min, x.Max, 6))
            Text(X(tick), Height - Bottom + 16, "cl", "middle", TickLabel(tick));
        Text((Left + Width - Right) / 2, Height - 8, "cl", "middle", label);
        Line(Left, Y(y.Min), Width - Right, Y(y.Min), "ca");
        return this;
    }

    public SvgCanvas YAxis(string label)
    {
        foreach (var tick in Ticks(y.Min, y.Max, 5))
        {
            Line(Left, Y(tick), Width - Right, Y(tick), "cg");
            Text(Left - 7, Y(tick) + 4, "cl", "end", TickLabel(tick));
        }
        body.Append(Show.Invariant($"<text class=\"cl\" text-anchor=\"middle\" transform=\"translate(13 {(Top + Height - Bottom) / 2:0.#}) rotate(-90)\">")).Append(Show.Html(label)).Append("</text>");
        return this;
    }

    public void Line(double x1, double y1, double x2, double y2, string cssClass) =>
        body.Append(Show.Invariant($"<line class=\"{cssClass}\" x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\"/>"));

    public void Path(IReadOnlyList<(double X, double Y)> points, string cssClass)
    {
        if (points.Count == 0) return;
        if (points.Count == 1)
        {
            Circle(X(points[0].X), Y(points[0].Y), cssClass);
            return;
        }
        body.Append($"<polyline class=\"{cssClass}\" points=\"");
        foreach (var (px, py) in points) body.Append(Show.Invariant($"{X(px):0.#},{Y(py):0.#} "));
        body.Append("\"/>");
    }

    public void Bar(double from, double to, double top, string cssClass) =>
        body.Append(Show.Invariant($"<rect class=\"{cssClass}\" x=\"{X(from) + 0.5:0.##}\" y=\"{Y(top):0.##}\" width=\"{Math.Max(1, X(to) - X(from) - 1):0.##}\" height=\"{Y(y.Min) - Y(top):0.##}\"/>"));

    public void Circle(double cx, double cy, string cssClass) =>
        body.Append(Show.Invariant($"<circle class=\"dot {cssClass}\" cx=\"{cx:0.#}\" cy=\"{cy:0.#}\" r=\"4.5\"/>"));

    public void Text(double tx, double ty, string cssClass, string anchor, string text) =>
        body.Append(Show.Invariant($"<text class=\"{cssClass}\" x=\"{tx:0.#}\" y=\"{ty:0.#}\" text-anchor=\"{anchor}\">")).Append(Show.Html(text)).Append("</text>");

    /// <summary>Names of the lines in their colours, at the right of the title; one text, because its width is known to the reader's font alone.</summary>
    public void Legend(IEnumerable<(string Name, string CssClass)> entries) =>
        body.Append(Show.Invariant($"<text class=\"cl\" x=\"{Width - Right}\" y=\"16\" text-anchor=\"end\">"))
            .AppendJoin("\u00A0\u00A0 ", entries.Select(e => $"<tspan class=\"{e.CssClass}\">━ {Show.Html(e.Name)}</tspan>"))
            .Append("</text>");

    public override string ToString() => Show.Invariant(
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{Show.Html(Title)}\">{body}</svg>");

    /// <summary>Multiples of 1, 2 or 5 times a power of ten inside [min, max], about <paramref name="about"/> of them.</summary>
    internal static IEnumerable<double> Ticks(double min, double max, int about)
    {
        var step = Step(min, max, about);
        for (var i = (long)Math.Ceiling(min / step - 1e-9); i * step <= max + 1e-9 * step; i++) yield return i * step;
    }

    /// <summary>The largest of 1, 2 or 5 times a power of ten that gives at least <paramref name="about"/> steps between min and max, to within a half.</summary>
    internal static double Step(double min, double max, int about)
    {
        var raw = (max - min) / about;
        var power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        return power * ((raw / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 });
    }

    internal static string TickLabel(double value) => Math.Abs(value) switch
    {
        >= 1e6 => Show.Number(value / 1e6, "0.##") + "M",
        >= 1e4 => Show.Number(value / 1e3, "0.#") + "k",
        < 1e-9 => "0",
        < 1e-3 => Show.Number(value, "0.#e0"),
        _ => Show.Number(value, "0.####"),
    };

    /// <summary>A range that is not a point.</summary>
    private static (double Min, double Max) Widened((double Min, double Max) range) =>
        range.Max - range.Min > 1e-12 ? range : (range.Min - Math.Max(0.5, Math.Abs(range.Min) * 0.1), range.Max + Math.Max(0.5, Math.Abs(range.Max) * 0.1));
}
