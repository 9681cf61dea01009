using System.CommandLine;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 ppo RECIPE.yaml --out DIR</c>.</summary>
internal static class PpoVerb
{
    public static Command Create(Session session) =>
        StageVerb.Create<PpoRecipe>(session, "ppo", "Optimise a model against a reward model, held near its start by a KL penalty.", Ppo.Run);
}
