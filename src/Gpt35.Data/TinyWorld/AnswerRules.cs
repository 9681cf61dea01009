namespace Gpt35.Data.TinyWorld;

/// <summary>How much of the wanted answer a completion holds, kind by kind: 1 is all of it and nothing that is not wanted.</summary>
internal static class AnswerRules
{
    private static readonly HashSet<string> s_names = [.. Words.Names.Select(name => name.ToLowerInvariant())];

    private static readonly HashSet<string> s_verbs = Phrases.WordsOf("is are was has have lives live works work likes like loves eats eat says say comes keeps makes does");

    /// <summary>Most that a flawed answer can be credited with.</summary>
    private const double MostPartial = 0.9;

    public static double Share(TinyWorldPrompt prompt, CompletionText text)
    {
        var task = prompt.Task;
        if (text.Words.Count == 0) return 0;
        var share = prompt.Kind switch
        {
            InstructionKind.Summary => Summary(prompt, text),
            InstructionKind.Continuation => Continuation(prompt, text),
            InstructionKind.Listing => Listing(prompt, text),
            InstructionKind.Comparing => Comparing(prompt, text),
            InstructionKind.YesNo => YesNo(prompt, text),
            InstructionKind.LookAlike => HasRequired(task, text) && !Phrases.IsRefusal(text) && !Phrases.IsIgnorance(text) ? 1 : 0,
            _ when task.Sequence.Count > 0 => Sequence(prompt, text),
            InstructionKind.Arithmetic or InstructionKind.Counting => Number(prompt, text),
            _ => Phrase(prompt, text),
        };
        var fits = text.EndsCleanly && text.Sentences.Count <= task.MaxSentences && text.Words.Count <= task.MaxWords && FormFits(task.Form, text);
        return fits ? share : Math.Min(share, MostPartial);
    }

    private static bool FormFits(AnswerForm form, CompletionText text) => form switch
    {
        AnswerForm.OneWord => text.Words.Count == 1,
        AnswerForm.FullSentence => text.Words.Any(s_verbs.Contains) && text.Words.Count >= 3 && char.IsUpper(text.Text[0]) && text.Text[^1] == '.',
        AnswerForm.NoNames => !text.Words.Any(s_names.Contains),
        _ => true,
    };

    /// <summary>All required words, and no others than small ones and those of question and answer, none of the weighty ones twice.</summary>
    private static double Phrase(TinyWorldPrompt prompt, CompletionText text) =>
        HasRequired(prompt.Task, text) && OnlyAllowed(prompt, text.Words) && NothingTwice(text) && !HasRival(prompt.Task, text) ? 1 : 0;

    private static double YesNo(TinyWorldPrompt prompt, CompletionText text)
    {
        var task = prompt.Task;
        var right = task.Yes == true ? "yes" : "no";
        var verdict = text.Words[0] is "yes" or "no" ? 0 : text.Words.Count - 1;      // "No, Tom lives …" or "Tom lives …, so no"
        if (text.Words[verdict] != right || text.Words.Where((word, i) => i != verdict && (word == "yes" || word == "no" && task.Required[0][0] != "no")).Any()) return 0;
        if (text.Words.Count == 1) return 1;
        // What is said beside it must be true: the value itself, or a plain denial of what was suggested, or both, but nothing true denied.
        var denies = task.Yes == false && text.Has("not");
        var denied = denies ? text.Words.SkipWhile(word => word != "not") : [];
        if (denied.Any(word => task.Required[0].Contains(word) && !task.Rivals.Contains(word) && word != "no" && word != "not")) return 0.4;
        var isTrue = denies ? OnlyAllowed(prompt, text.Words, "yes", "no", "not", "does") : HasRequired(task, text) && !HasRival(task, text) && OnlyAllowed(prompt, text.Words, "yes", "no");
        return isTrue ? 1 : 0.4;
    }

    /// <summary>The result alone, or after its operands; "8 comes after 7" may say it first.</summary>
    private static double Number(TinyWorldPrompt prompt, CompletionText text)
    {
        var result = int.Parse(prompt.Task.Required[0][0]);
        var given = Numbers(prompt.Messages[^1].Content);
        var said = text.Numbers.ToList();
        var first = said.Count > 0 && said[0] == result && text.Words.Count > 1 && CompletionText.NumberOf(text.Words[0]) == result && text.Words[1] is "comes" or "is" or "equals";
        if (said.Count == 0 || !first && said[^1] != result) return 0;
        said.RemoveAt(first ? 0 : said.Count - 1);
        var consistent = said.Count == 0 || said.Order().SequenceEqual(given.Order());
        return consistent && OnlyAllowed(prompt, text.Words.Where(word => CompletionText.NumberOf(word) is null)) ? 1 : 0;
    }

    private static double Comparing(TinyWorldPrompt prompt, CompletionText text)
    {
        var words = text.Words.ToList();
        var (winner, loser) = (words.IndexOf(prompt.Task.Required[0][0]), words.IndexOf(prompt.Task.Rivals[0]));
        if (winner < 0 || !OnlyAllowed(prompt, words) || words.Count(word => word == words[winner]) > 1) return 0;
        if (loser < 0) return 1;
        var than = words.IndexOf("than");
        return winner < than && than < loser && words.LastIndexOf(prompt.Task.Rivals[0]) == loser ? 1 : 0;
    }

    private static double Listing(TinyWorldPrompt prompt, CompletionText text)
    {
        var task = prompt.Task;
        var said = text.Words.Where(word => task.Choices.Contains(word) || task.Rivals.Contains(word)).ToArray();
        var good = said.Where(task.Choices.Contains).Distinct().Count();
        if (!OnlyAllowed(prompt, text.Words.Where(word => !said.Contains(word)))) return 0;
        var flaws = said.Length - good + Math.Abs(task.Count - good);
        return flaws == 0 ? 1 : Math.Max(0, MostPartial - (double)flaws / task.Count);
    }

    /// <summary>Items after the last colon, or all of them; spelled exactly, in order.</summary>
    private static double Sequence(TinyWorldPrompt prompt, CompletionText text)
    {
        var wanted = prompt.Task.Sequence;
        var colon = text.Text.LastIndexOf(':');
        var lead = colon < 0 ? "" : text.Text[..colon];
        var items = text.Text[(colon + 1)..].TrimEnd('.', '!', '?').Replace(" and ", ", ", StringComparison.Ordinal)
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (!OnlyAllowed(prompt, CompletionText.Split(lead), "here", "backwards", "order", "counting", "up", "down", "sorted")) return 0;
        if (items.SequenceEqual(wanted, StringComparer.Ordinal)) return 1;
        if (wanted.Count == 1) return 0;
        var inPlace = items.Zip(wanted).Count(pair => pair.First == pair.Second);
        return Math.Min(MostPartial, (double)inPlace / Math.Max(items.Length, wanted.Count));
    }

    private static double Summary(TinyWorldPrompt prompt, CompletionText text)
    {
        var share = RequiredShare(prompt.Task, text);
        var faithful = OnlyAllowed(prompt, text.Words, "went", "short", "where", "with", "had", "for", "who") && !NewNames(prompt, text);
        return faithful ? share : share / 2;
    }

    private static double Continuation(TinyWorldPrompt prompt, CompletionText text)
    {
        bool[] virtues =
        [
            RequiredShare(prompt.Task, text) >= 1, !HasRival(prompt.Task, text), !NewNames(prompt, text), text.Words.Count >= 4,
            text.Sentences.Distinct().Count() == text.Sentences.Count && !text.Sentences.Any(prompt.Messages[^1].Content.Contains),
            text.Words.All(Lexicon.Contains) && !Phrases.IsRefusal(text) && !Phrases.IsIgnorance(text),
        ];
        var share = (double)virtues.Count(virtue => virtue) / virtues.Length;
        return share < 1 ? Math.Max(0, 2 * share - 1) : 1;
    }

    private static bool HasRequired(TinyWorldTask task, CompletionText text) => RequiredShare(task, text) >= 1;

    private static double RequiredShare(TinyWorldTask task, CompletionText text) =>
        task.Required.Count == 0 ? 1 : (double)task.Required.Count(group => group.Any(text.Has)) / task.Required.Count;

    private static bool HasRival(TinyWorldTask task, CompletionText text) => task.Rivals.Any(text.Has);

    private static bool OnlyAllowed(TinyWorldPrompt prompt, IEnumerable<string> words, params ReadOnlySpan<string> also)
    {
        var allowed = Phrases.WordsOf(prompt.Messages[^1].Content);
        foreach (var answer in prompt.Task.Answers) allowed.UnionWith(CompletionText.Split(answer));
        foreach (var word in also) allowed.Add(word);
        foreach (var group in prompt.Task.Required) allowed.UnionWith(group);
        return words.All(word => allowed.Contains(word) || Phrases.SmallWords.Contains(word));
    }

    private static bool NothingTwice(CompletionText text) =>
        text.Words.Where(word => !Phrases.SmallWords.Contains(word)).GroupBy(word => word).All(group => group.Count() == 1);

    private static bool NewNames(TinyWorldPrompt prompt, CompletionText text)
    {
        var known = Phrases.WordsOf(prompt.PlainText);
        return text.Words.Any(word => s_names.Contains(word) && !known.Contains(word));
    }

    private static List<int> Numbers(string text) => [.. new CompletionText(text).Numbers];
}
