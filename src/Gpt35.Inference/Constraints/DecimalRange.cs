using System.Globalization;

namespace Gpt35.Inference.Constraints;

/// <summary>One end of a range of numbers.</summary>
internal readonly record struct Bound(decimal Value, bool Exclusive);

/// <summary>Decimal numbers between two bounds, digit by digit.</summary>
internal static class DecimalRange
{
    /// <summary>Largest number that is written: <see cref="JsonGrammar.WholeDigits"/> nines.</summary>
    private const decimal Largest = 999_999_999_999_999_999m;

    private static readonly Pattern Nothing = new Pattern.Choice([]);

    /// <summary>Integers; no bound is that of 18 digits.</summary>
    public static Pattern Integers(Bound? low, Bound? high)
    {
        var least = Math.Max(low is { } l ? decimal.Ceiling(l.Value) + (l.Exclusive && decimal.Ceiling(l.Value) == l.Value ? 1 : 0) : -Largest, -Largest);
        var most = Math.Min(high is { } h ? decimal.Floor(h.Value) - (h.Exclusive && decimal.Floor(h.Value) == h.Value ? 1 : 0) : Largest, Largest);
        return Pattern.AnyOf(
            Whole(Math.Max(least, 0), most),
            Pattern.Of(Pattern.Text("-"), Whole(Math.Max(-most, 1), -least)));
    }

    /// <summary>Numbers with up to 17 digits after the point and no exponent.</summary>
    public static Pattern Numbers(Bound? low, Bound? high)
    {
        var least = low is { } l && l.Value > -Largest ? l : new Bound(-Largest, false);
        var most = high is { } h && h.Value < Largest ? h : new Bound(Largest, false);
        return Pattern.AnyOf(
            Magnitudes(least.Value < 0 ? new Bound(0, false) : least, most),
            Pattern.Of(Pattern.Text("-"), Magnitudes(most.Value >= 0 ? new Bound(0, true) : new Bound(-most.Value, most.Exclusive), new Bound(-least.Value, least.Exclusive))));
    }

    /// <summary>Numbers from <paramref name="low"/>, at least 0, to <paramref name="high"/>.</summary>
    private static Pattern Magnitudes(Bound low, Bound high)
    {
        if (high.Value < low.Value) return Nothing;
        var (first, last) = (decimal.Floor(low.Value), decimal.Floor(high.Value));
        var (lowFraction, highFraction) = (Fraction(low.Value), Fraction(high.Value));
        if (first == last) return Pattern.Of(Whole(first, last), Tail(lowFraction, low.Exclusive, highFraction, high.Exclusive));
        return Pattern.AnyOf(
            Pattern.Of(Whole(first, first), Tail(lowFraction, low.Exclusive, null, false)),
            Pattern.Of(Whole(first + 1, last - 1), Tail("", false, null, false)),
            Pattern.Of(Whole(last, last), Tail("", false, highFraction, high.Exclusive)));
    }

    /// <summary>Digits after the point, without zeros at the end.</summary>
    private static string Fraction(decimal value)
    {
        var text = value.ToString(CultureInfo.InvariantCulture);
        var point = text.IndexOf('.');
        return point < 0 ? "" : text[(point + 1)..].TrimEnd('0');
    }

    /// <summary>What follows the digits before the point: nothing, or a point and digits, of a value within the bounds.</summary>
    /// <param name="low">Digits of the lower bound.</param>
    /// <param name="lowExclusive">Whether the bound itself is out.</param>
    /// <param name="high">Digits of the upper bound; null for none.</param>
    /// <param name="highExclusive">Whether the bound itself is out.</param>
    private static Pattern Tail(string low, bool lowExclusive, string? high, bool highExclusive)
    {
        var state = new Edges(low == "" && !lowExclusive ? null : low, high, lowExclusive, highExclusive);
        var digits = Pattern.Of(Pattern.Text("."), Digits(state, JsonGrammar.FractionDigits, mayEnd: false));
        return state.ContainsZero ? Pattern.Optional(digits) : digits;
    }

    /// <summary>What the digits to come must stay between; null where nothing holds them any more.</summary>
    private readonly record struct Edges(string? Low, string? High, bool LowExclusive, bool HighExclusive)
    {
        /// <summary>Whether no further digit, or zeros alone, will do.</summary>
        public bool ContainsZero => Low is null or "" && !(Low == "" && LowExclusive) && !(High == "" && HighExclusive);

        public bool IsFree => Low is null && High is null;

        /// <summary>What holds the digits after this one; null where it lies outside.</summary>
        public Edges? After(int digit)
        {
            var (low, high) = (Low, High);
            if (low is not null)
            {
                var edge = low == "" ? 0 : low[0] - '0';
                if (digit < edge) return null;
                low = digit > edge ? null : low == "" ? "" : low[1..];
                if (low == "" && !LowExclusive) low = null;
            }
            if (high is not null)
            {
                var edge = high == "" ? 0 : high[0] - '0';
                if (digit > edge || high == "" && HighExclusive) return null;
                high = digit < edge ? null : high == "" ? "" : high[1..];
            }
            return this with { Low = low, High = high };
        }
    }

    private static Pattern Digits(Edges edges, int room, bool mayEnd)
    {
        if (edges.IsFree) return new Pattern.Repeat(JsonGrammar.Digit, mayEnd ? 0 : 1, room);
        var choices = new List<Pattern>();
        if (mayEnd && edges.ContainsZero) choices.Add(Pattern.Empty);
        if (room > 0)
            foreach (var group in Enumerable.Range(0, 10).Select(digit => (Digit: digit, After: edges.After(digit))).Where(next => next.After is not null).GroupBy(next => next.After!.Value, next => next.Digit))
                choices.Add(Pattern.Of(Pattern.OneOf(string.Concat(group)), Digits(group.Key, room - 1, mayEnd: true)));
        return new Pattern.Choice(choices);
    }

    /// <summary>Whole numbers from one to another, both at least 0, without leading zeros; none where the second is smaller.</summary>
    private static Pattern Whole(decimal low, decimal high)
    {
        var choices = new List<Pattern>();
        while (low <= high)
        {
            var digits = Text(low);
            var last = Math.Min(high, decimal.Parse(new string('9', digits.Length), CultureInfo.InvariantCulture));
            choices.Add(Between(digits, Text(last)));
            low = last + 1;
        }
        return new Pattern.Choice(choices);

        static string Text(decimal value) => decimal.Truncate(value).ToString("0", CultureInfo.InvariantCulture);
    }

    /// <summary>Digits between two of the same length; null is no bound.</summary>
    private static Pattern Between(string? low, string? high)
    {
        var length = (low ?? high)!.Length;
        if (length == 0) return Pattern.Empty;
        var choices = new List<Pattern>();
        foreach (var group in Enumerable.Range(0, 10).Where(digit => (low is null || digit >= low[0] - '0') && (high is null || digit <= high[0] - '0'))
            .GroupBy(digit => (Low: low is not null && digit == low[0] - '0', High: high is not null && digit == high[0] - '0')))
        {
            var (atLow, atHigh) = group.Key;
            var rest = atLow || atHigh ? Between(atLow ? low![1..] : null, atHigh ? high![1..] : null) : new Pattern.Repeat(JsonGrammar.Digit, length - 1, length - 1);
            choices.Add(Pattern.Of(Pattern.OneOf(string.Concat(group)), rest));
        }
        return new Pattern.Choice(choices);
    }
}
