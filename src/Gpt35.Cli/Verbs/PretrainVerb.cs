using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 pretrain RECIPE.yaml --out DIR</c>.</summary>
internal static class PretrainVerb
{
    public static Command Create(Session session) =>
        StageVerb.Create<PretrainRecipe>(session, "pretrain", "Train a base model on text (next-token prediction).", Pretraining.Run);
}
