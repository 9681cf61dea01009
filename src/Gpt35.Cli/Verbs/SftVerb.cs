using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 sft RECIPE.yaml --out DIR</c>.</summary>
internal static class SftVerb
{
    public static Command Create(Session session) =>
        StageVerb.Create<SftRecipe>(session, "sft", "Fine-tune a model on demonstrations.", SupervisedFineTuning.Run);
}
