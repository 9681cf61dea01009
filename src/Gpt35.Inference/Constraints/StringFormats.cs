namespace Gpt35.Inference.Constraints;

/// <summary>The formats of strings that can be followed, as regular expressions. Each allows a part of what the format does, and nothing else.</summary>
internal static class StringFormats
{
    private const string Date = @"\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))";
    private const string Time = @"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+\-]([01]\d|2[0-3]):[0-5]\d)";
    private const string Label = @"[a-z0-9]([a-z0-9\-]{0,30}[a-z0-9])?";
    private const string HostName = Label + @"(\." + Label + "){0,5}";
    private const string Byte = @"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)";

    /// <summary>Expression by name. Dates leave the 29th of February out, times the leap second.</summary>
    public static readonly IReadOnlyDictionary<string, string> All = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = @"P(\d{1,6}W|\d{1,6}D(T\d{1,6}H)?|T(\d{1,6}H(\d{1,6}M(\d{1,6}S)?)?|\d{1,6}M(\d{1,6}S)?|\d{1,6}S)|\d{1,6}Y(\d{1,6}M(\d{1,6}D)?)?|\d{1,6}M(\d{1,6}D)?)",
        ["email"] = @"[A-Za-z0-9_+\-]{1,32}(\.[A-Za-z0-9_+\-]{1,32}){0,3}@" + HostName + @"\.[a-z]{2,12}",
        ["hostname"] = HostName,
        ["ipv4"] = $@"{Byte}(\.{Byte}){{3}}",
        ["ipv6"] = "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}",
        ["uuid"] = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    };
}
