using System.Globalization;
using System.Text.Json;

namespace Gpt35.Benchmarks;

/// <summary>One comparison.</summary>
/// <param name="What">What was measured, on what.</param>
/// <param name="Ours">Our figure.</param>
/// <param name="Peer">The other's.</param>
/// <param name="PeerName">Who the other is.</param>
/// <param name="Unit">Of both figures.</param>
/// <param name="Ratio">How many times better ours is: above 1 where it is better.</param>
internal sealed record Row(string What, double Ours, double Peer, string PeerName, string Unit, double Ratio)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Figures of which more is better, such as MB/s.</summary>
    public static Row MoreIsBetter(string what, double ours, double peer, string peerName, string unit) =>
        new(what, Round(ours), Round(peer), peerName, unit, Round(ours / peer));

    /// <summary>Figures of which less is better, such as seconds.</summary>
    public static Row LessIsBetter(string what, double ours, double peer, string peerName, string unit) =>
        new(what, Round(ours), Round(peer), peerName, unit, Round(peer / ours));

    public static void PrintHeader() => Console.WriteLine($"{"what",-34} {"ours",8} {"peer",8} {"unit",-8} {"ratio",6}  peer");

    public void Print(bool json)
    {
        if (json) Console.WriteLine(JsonSerializer.Serialize(this, Json));
        else Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{What,-34} {Ours,8:G4} {Peer,8:G4} {Unit,-8} {Ratio,6:F2}  {PeerName}"));
    }

    private static double Round(double value) => double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
