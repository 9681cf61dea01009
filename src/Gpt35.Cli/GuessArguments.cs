using System.CommandLine;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Cli;

/// <summary><c>--draft</c> and <c>--lookup</c> of the verbs that write text: tokens guessed ahead, so that one pass may give several. The text stays the same.</summary>
internal sealed class GuessArguments
{
    private readonly Option<string?> draft = new("--draft")
    {
        Description = "A smaller model of the same vocabulary that guesses ahead. The text stays the same; it comes faster where the guesses are right.",
        HelpName = "folder",
    };

    private readonly Option<bool> lookup = new("--lookup") { Description = "Guess ahead by what followed the same words before: for texts that repeat their prompt." };

    public void AddTo(Command command)
    {
        command.Options.Add(draft);
        command.Options.Add(lookup);
        command.Validators.Add(result =>
        {
            if (result.GetValue(draft) is not null && result.GetValue(lookup)) result.AddError("--draft and --lookup are two ways to guess; expected one of them.");
        });
    }

    /// <summary>The model that guesses, where one is named; the caller disposes of it behind the engine.</summary>
    /// <exception cref="InvalidDataException">It cannot guess for <paramref name="target"/>.</exception>
    public ModelFolder? OpenDraft(ParseResult parsed, ModelFolder target, WorkerPool pool, WeightPrecision precision)
    {
        if (parsed.GetValue(draft) is not { } path) return null;
        var folder = Models.OpenLanguageModel(path, pool, precision);
        try
        {
            if (!folder.Tokenizer.HasSameTokensAs(target.Tokenizer))
                throw new InvalidDataException($"{path}: its tokenizer is another one than the model's, so its guesses would mean other words. Name a model that was trained with the same tokenizer.");
            new DraftModel(folder.Model).RequireFor(target.Model.Config);
            return folder;
        }
        catch (ArgumentException misfit)
        {
            folder.Dispose();
            throw new InvalidDataException($"{path}: {misfit.Message}", misfit);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    public bool LooksUp(ParseResult parsed) => parsed.GetValue(lookup);
}
