using System.Globalization;
using System.Numerics;

namespace Gpt35.Inference.Constraints;

/// <summary>
/// Multiples of a decimal number between two bounds, digit by digit. With s = step·10^−places the numbers are M·10^−places for the multiples M of step; what is left of
/// the digits so far after division by step decides which digits may follow, and states from which the same digits do are one rule.
/// Numbers have as many digits after the point as s.
/// </summary>
internal sealed class DecimalMultiples
{
    /// <summary>More are refused: an automaton of some ten times as many states is slow to make.</summary>
    private const int MostRules = 2_000;

    private readonly Dictionary<(int Left, long Remainder), Pattern?> rules = [];
    private readonly int places;
    private readonly long step;

    private DecimalMultiples(long step, int places) => (this.step, this.places) = (step, places);

    /// <param name="of">s, above 0.</param>
    /// <param name="low">No number is below it; null: as many digits as are written.</param>
    /// <param name="high">No number is above it.</param>
    /// <param name="integer">Whether only whole numbers are wanted.</param>
    /// <returns>The numbers; null where s has too many digits, or too many remainders for numbers so long.</returns>
    public static Pattern? Between(decimal of, Bound? low, Bound? high, bool integer)
    {
        var (digits, places) = Unscaled(of);
        while (places > 0 && digits % 10 == 0) (digits, places) = (digits / 10, places - 1);
        // Whole multiples of 2.5 are those of 5.
        if (integer) (digits, places) = (digits / BigInteger.GreatestCommonDivisor(digits, BigInteger.Pow(10, places)), 0);
        if (digits > int.MaxValue || places > JsonGrammar.FractionDigits) return null;
        var multiples = new DecimalMultiples((long)digits, places);
        var most = BigInteger.Pow(10, JsonGrammar.WholeDigits + places) - 1;
        var least = low is { } l ? BigInteger.Max(multiples.Edge(l, up: true), -most) : -most;
        var last = high is { } h ? BigInteger.Min(multiples.Edge(h, up: false), most) : most;
        Pattern numbers = Pattern.AnyOf(
            multiples.Magnitudes(BigInteger.Max(least, 0), last),
            Pattern.Of(Pattern.Text("-"), multiples.Magnitudes(BigInteger.Max(-last, 1), -least)));
        return multiples.rules.Count > MostRules ? null : numbers;
    }

    private static (BigInteger Digits, int Places) Unscaled(decimal value)
    {
        var places = (decimal.GetBits(value)[3] >> 16) & 0xFF;
        return (BigInteger.Parse(value.ToString(CultureInfo.InvariantCulture).Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture), places);
    }

    /// <summary>A bound in units of 10^−places, the next one inside where it is out itself or lies between two.</summary>
    private BigInteger Edge(Bound bound, bool up)
    {
        var (digits, scale) = Unscaled(bound.Value);
        var unit = BigInteger.Pow(10, scale);
        var whole = BigInteger.DivRem(digits * BigInteger.Pow(10, places), unit, out var rest);
        if (rest < 0) (whole, rest) = (whole - 1, rest + unit);              // now the floor
        return up ? whole + (rest > 0 || bound.Exclusive ? 1 : 0) : whole - (rest == 0 && bound.Exclusive ? 1 : 0);
    }

    /// <summary>Multiples of step from one number to another, both at least 0, with a digit before the point.</summary>
    private Pattern Magnitudes(BigInteger low, BigInteger high)
    {
        var choices = new List<Pattern>();
        for (var length = places + 1; low <= high; length++)
        {
            var last = BigInteger.Min(high, BigInteger.Pow(10, length) - 1);
            if (last >= low && From(Text(low), Text(last), length, 0) is { } numbers) choices.Add(numbers);
            low = BigInteger.Max(low, last + 1);

            string Text(BigInteger number) => number.ToString(CultureInfo.InvariantCulture).PadLeft(length, '0');
        }
        return new Pattern.Choice(choices);
    }

    /// <summary>The digits still to come, between two texts of that length; null is no bound. Null where there are none.</summary>
    private Pattern? From(string? low, string? high, int left, long remainder)
    {
        if (left == 0) return remainder == 0 ? Pattern.Empty : null;
        if (low is null && high is null) return Free(left, remainder);
        return Digits(left, remainder, digit => (low is null || digit >= low[0] - '0') && (high is null || digit <= high[0] - '0'),
            (digit, next) => From(low is not null && digit == low[0] - '0' ? low[1..] : null, high is not null && digit == high[0] - '0' ? high[1..] : null, left - 1, next));
    }

    private Pattern? Free(int left, long remainder)
    {
        // (R − R′)·10^left is a multiple of step: the same digits complete both.
        var key = (left, remainder % (step / (long)BigInteger.GreatestCommonDivisor(step, BigInteger.Pow(10, left))));
        if (rules.TryGetValue(key, out var known)) return known;
        if (rules.Count > MostRules) return null;
        var digits = Digits(left, key.Item2, _ => true, (_, next) => From(null, null, left - 1, next));
        return rules[key] = digits is null ? null : new Pattern.Call(new Rule($"{left} digits that leave nothing behind {key.Item2}", nests: false) { Body = digits });
    }

    /// <summary>One digit and what follows it, digits with the same sequel together.</summary>
    private Pattern? Digits(int left, long remainder, Func<int, bool> allows, Func<int, long, Pattern?> rest)
    {
        var choices = Enumerable.Range(0, 10).Where(allows).Select(digit => (Digit: digit, Sequel: rest(digit, (remainder * 10 + digit) % step))).Where(next => next.Sequel is not null)
            .GroupBy(next => next.Sequel!, next => next.Digit)
            .Select(group => Pattern.Of(Pattern.OneOf(string.Concat(group)), group.Key)).ToList();
        if (choices.Count == 0) return null;
        var digits = choices.Count == 1 ? choices[0] : new Pattern.Choice(choices);
        return left == places ? Pattern.Of(Pattern.Text("."), digits) : digits;
    }
}
