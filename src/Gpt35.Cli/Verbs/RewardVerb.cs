using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 reward RECIPE.yaml --out DIR</c>.</summary>
internal static class RewardVerb
{
    public static Command Create(Session session) =>
        StageVerb.Create<RewardRecipe>(session, "reward", "Train a reward model on rankings.", RewardModeling.Run);
}
