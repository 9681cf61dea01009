using System.CommandLine;
using Gpt35.Cli;
using Gpt35.Cli.Verbs;

using var session = Session.OfProcess();
return CommandLine.Run(args, session);

/// <summary>The table of contents: every verb, one file each.</summary>
internal static partial class Program
{
    public static RootCommand Verbs(Session session) =>
        new("Gpt35: the GPT-3.5 recipe, from text to a model that answers. Start with 'gpt35 quickstart'.")
        {
            QuickstartVerb.Create(session),
            PlanVerb.Create(session),
            DataVerb.Create(session),
            PullVerb.Create(session),
            TokenizerVerb.Create(session),
            PretrainVerb.Create(session),
            SftVerb.Create(session),
            RewardVerb.Create(session),
            PpoVerb.Create(session),
            LabelVerb.Create(session),
            EvalVerb.Create(session),
            GenerateVerb.Create(session),
            ChatVerb.Create(session),
            ConvertVerb.Create(session),
            BenchVerb.Create(session),
            MergeLoraVerb.Create(session),
        };
}
