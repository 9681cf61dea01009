using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary>What the four training stages share on the command line.</summary>
internal static class StageVerb
{
    /// <param name="session">Where the verb reads and writes.</param>
    /// <param name="name">The verb.</param>
    /// <param name="description">One line for the help.</param>
    /// <param name="run">The stage.</param>
    public static Command Create<TRecipe>(Session session, string name, string description, Func<TRecipe, StageContext, StageSummary> run)
        where TRecipe : class
    {
        var recipe = new Argument<string>("recipe") { Description = "Recipe file (YAML). recipes/… is also found beside the program." };
        var output = new Option<string>("--out") { Description = "Run folder: recipe.yaml, metrics.jsonl, checkpoints, model.", Required = true };
        var set = new Option<string[]>("--set") { Description = "Override a value of the recipe: --set optimizer.lr=1e-4.", HelpName = "key=value" };
        var backend = new Option<string>("--backend") { Description = "What computes: cpu or torch (the recipe's backend).", HelpName = "cpu|torch" };
        var dtype = new Option<string>("--dtype") { Description = "What matrices are multiplied in: fp32 or bf16 (the recipe's dtype).", HelpName = "fp32|bf16" };
        var resume = new Option<bool>("--resume") { Description = "Go on from the last checkpoint in --out." };
        var json = new Option<bool>("--json") { Description = "Progress and result as JSON lines, for programs." };
        var command = new Command(name, description) { recipe, output, set, backend, dtype, resume, json };
        command.SetAction(parsed =>
        {
            var path = RecipePath.Find(parsed.GetRequiredValue(recipe));
            var folder = parsed.GetRequiredValue(output);
            var resuming = parsed.GetValue(resume);
            if (Ranks.Fault is not null && !Ranks.StartedFirst)
            {
                // The same for all of them; the first one says it.
                IsToldToEnd();
                return ExitCode.UserInput;
            }
            var ranks = Ranks.Join();
            try
            {
                var loaded = RecipeFile.Load<TRecipe>(path, [.. parsed.GetValue(set) ?? [], .. Override(backend), .. Override(dtype)]);
                if (!resuming && ranks.IsFirst) OutputFolder.RequireEmpty(folder, "Choose another --out, or go on with an interrupted run with --resume.");
                using var pool = Session.OpenPool(parsed, ranks.DefaultThreads());
                RunDisplay.Show(session, parsed, parsed.GetValue(json), observer => run(loaded, new StageContext
                {
                    RunFolder = folder,
                    Resume = resuming,
                    Pool = pool,
                    Observer = observer,
                    Ranks = ranks,
                    Cancel = session.Cancel,
                }), speaks: ranks.IsFirst);
            }
            catch (OperationCanceledException)
            {
                var stopped = new StoppedException($"Stopped; the state is saved in {folder}.\nGo on with the same command and --resume.");
                if (ranks.Count == 1) throw stopped;
                // Said before leaving: once one of them has ended with 130, mpirun ends the others.
                if (ranks.IsFirst) session.Error.WriteLine(stopped.Message);
                ranks.Leave();
                return ExitCode.Cancelled;
            }
            catch (Exception) when (!ranks.IsFirst)
            {
                // What is wrong here is most likely wrong everywhere. The first rank says so and ends, and mpirun then tells this one to.
                if (IsToldToEnd()) return ExitCode.UserInput;
                session.Error.WriteLine($"Rank {ranks.Rank} of {ranks.Count}, on {Environment.MachineName}:");
                throw;
            }
            ranks.Leave();
            return ExitCode.Done;

            // Some launchers end all processes as soon as one has ended, so the first one gets the time to speak.
            bool IsToldToEnd() => session.Cancel.WaitHandle.WaitOne(TimeSpan.FromSeconds(10));

            // The same as --set, so that the run folder's recipe tells what was computed with.
            IEnumerable<string> Override(Option<string> option) => parsed.GetValue(option) is { } value ? [$"{option.Name.TrimStart('-')}={value}"] : [];
        });
        return command;
    }
}
