using System.CommandLine;

namespace Gpt35.Cli.Verbs;

internal static class EvalVerb
{
    public static Command Create(Session session) { _ = session; return new("eval", "stub"); }
}
