using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Training;
using Spectre.Console;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 quickstart</c>: runs the command lines of <c>recipes/quickstart/commands.txt</c> one after the other, showing each.</summary>
internal static class QuickstartVerb
{
    private const string DefaultFolder = "runs/quickstart", DefaultRecipes = "recipes/quickstart";

    public static Command Create(Session session)
    {
        var output = new Option<string?>("--out") { Description = $"Run folder. Default: {DefaultFolder}, or the next free {DefaultFolder}-2, -3, …" };
        var seed = new Option<int>("--seed") { Description = "Seed of the world, the models and every draw." }.WithDefault(1).AtLeast(0);
        var recipes = new Option<string>("--recipes") { Description = "Folder with commands.txt and the recipes it names." }.WithDefault(DefaultRecipes);
        var resume = new Option<bool>("--resume") { Description = "Go on with an interrupted quickstart." };
        var noChat = new Option<bool>("--no-chat") { Description = "End after the report card, without the chat." };
        var command = new Command("quickstart", "Train a GPT-3.5 in miniature from nothing: the whole recipe, then the report card and a chat.")
        {
            output, seed, recipes, resume, noChat,
        };
        command.SetAction(parsed =>
        {
            var quiet = parsed.GetValue<bool>(CommandLine.Quiet);
            if (Ranks.AreSeveral)
                throw new UsageException("The quickstart was started as several processes; it runs as one. Without mpirun it takes all cores; the stages (gpt35 pretrain, sft, reward, ppo) are what mpirun can spread.");
            var run = parsed.GetValue(resume)
                ? ScriptRun.Reopen(parsed.GetValue(output) ?? LastFolder())
                : ScriptRun.Start(NewFolder(parsed.GetValue(output)), parsed.GetRequiredValue(recipes), parsed.GetValue(seed));
            var threads = parsed.GetValue<int>(CommandLine.Threads);
            Run(session, run, [.. quiet ? (string[])[CommandLine.Quiet] : [], .. threads > 0 ? (string[])[CommandLine.Threads, $"{threads}"] : []]);
            if (!quiet) session.Out.WriteLine($"\nDone in {Wording.Duration(TimeSpan.FromSeconds(run.Seconds))}. Everything is in {run.Folder}.");
            return Chat(session, Path.Combine(run.Folder, "ppo"), talk: session.Interactive && !quiet && !parsed.GetValue(noChat), quiet);
        });
        return command;
    }

    private static void Run(Session session, ScriptRun run, string[] common)
    {
        foreach (var step in run.Remaining())
        {
            var start = session.Time.GetTimestamp();
            var done = false;
            try
            {
                session.Cancel.ThrowIfCancellationRequested();
                var words = run.Prepare(step);
                if (!common.Contains(CommandLine.Quiet)) Announce(session, step, words);
                CommandLine.Execute([.. words, .. common], session);
                done = true;
            }
            catch (OperationCanceledException)
            {
                throw new StoppedException($"Stopped; the state is saved in {run.Folder}. Go on with:\ngpt35 quickstart --out {ShellWords.Quote(run.Folder)} --resume");
            }
            finally
            {
                run.Took(step, session.Time.GetElapsedTime(start).TotalSeconds, done);
            }
        }
    }

    private static void Announce(Session session, ScriptStep step, IReadOnlyList<string> words)
    {
        session.Out.WriteLine();
        foreach (var line in step.Remark) session.Console.WriteLine(line, new Style(decoration: Decoration.Bold));
        // Long command lines are for copying: broken where a shell would accept it, not where the terminal ends.
        var lines = ShellWords.Wrap(["gpt35", .. words], session.Width - 4);
        session.Out.WriteLine("$ " + string.Join(" \\\n    ", lines));
    }

    private static int Chat(Session session, string model, bool talk, bool quiet)
    {
        if (!talk)
        {
            if (!quiet) session.Out.WriteLine($"Talk with it: gpt35 chat {ShellWords.Quote(model)}");
            return ExitCode.Done;
        }
        session.Out.WriteLine($"\n$ gpt35 chat {ShellWords.Quote(model)}");
        return CommandLine.Execute(["chat", model], session);
    }

    private static string NewFolder(string? wanted)
    {
        if (wanted is not null) return OutputFolder.RequireEmpty(wanted, "Choose another --out, or go on with an interrupted quickstart with --resume.");
        return Numbered().First(folder => !Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any());
    }

    private static string LastFolder() =>
        Numbered().TakeWhile(Directory.Exists).LastOrDefault()
        ?? throw new DirectoryNotFoundException($"There is no {DefaultFolder} to go on with. Name the run folder with --out, or start without --resume.");

    private static IEnumerable<string> Numbered() =>
        Enumerable.Range(1, int.MaxValue).Select(i => i == 1 ? DefaultFolder : $"{DefaultFolder}-{i}");
}
