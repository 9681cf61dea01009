using System.CommandLine;

namespace Gpt35.Cli.Verbs;

internal static class DataVerb
{
    public static Command Create(Session session) { _ = session; return new("data", "stub"); }
}
