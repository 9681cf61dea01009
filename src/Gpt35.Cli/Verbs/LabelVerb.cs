using System.CommandLine;

namespace Gpt35.Cli.Verbs;

internal static class LabelVerb
{
    public static Command Create(Session session) { _ = session; return new("label", "stub"); }
}
