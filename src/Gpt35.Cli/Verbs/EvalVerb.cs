using System.CommandLine;
using System.Globalization;
using Gpt35.Cli.Terminal;
using Gpt35.Evaluation;
using Spectre.Console;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 eval run|compare|report</c>.</summary>
internal static class EvalVerb
{
    public static Command Create(Session session) =>
        new("eval", "Measure models, compare them, write the report card.") { EvalRunVerb.Create(session), Compare(session), Report(session) };

    private static Command Compare(Session session)
    {
        var challenger = new Argument<string>("a") { Description = "Result of 'eval run tinyworld'." };
        var baseline = new Argument<string>("b") { Description = "Another one, over the same prompts." };
        var command = new Command("compare", "Count the prompts on which the oracle prefers A to B.") { challenger, baseline };
        command.SetAction(parsed =>
        {
            var (a, b) = (EvaluationResult.Read(parsed.GetRequiredValue(challenger)), EvaluationResult.Read(parsed.GetRequiredValue(baseline)));
            var wins = OracleComparison.Compare(a, b);
            session.Out.WriteLine($"{a.Model} against {b.Model}: {wins.Wins} wins, {wins.Ties} ties, {wins.Losses} losses");
            session.Out.WriteLine($"win rate {Share(wins.WinRate)}; of decided {Share(wins.DecidedWinRate)}");
            session.Out.WriteLine($"accuracy {Share(a.Overall)} against {Share(b.Overall)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Report(Session session)
    {
        var run = new Argument<string>("run") { Description = "Folder of a whole run, as quickstart makes it." };
        var command = new Command("report", "Write report.md, report.html and report.json of a whole run, and show the table.") { run };
        command.SetAction(parsed =>
        {
            var folder = parsed.GetRequiredValue(run);
            var card = ReportCard.Read(folder, ScriptRun.SecondsSoFar(folder));
            card.Write();
            Show(session, card);
            foreach (var file in (string[])["report.md", "report.html", "report.json"]) session.Out.WriteLine(Path.Combine(folder, file));
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(Session session, ReportCard card)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumns(new TableColumn(""), Column("BASE"), Column("SFT"), Column("RLHF"));
        foreach (var row in card.Table())
            table.AddRow(row.Name.EscapeMarkup(), row.Text(r => r.Base).EscapeMarkup(), row.Text(r => r.Sft).EscapeMarkup(), row.Text(r => r.Rlhf).EscapeMarkup());
        session.Console.Write(table);
        if (card.RewardModel is { } reward) session.Out.WriteLine($"reward model agrees with the oracle   {Share(reward.Accuracy)}, {reward.Pairs} pairs");
        if (card.SftVsBase is { } first) session.Out.WriteLine($"oracle prefers SFT to BASE            {Share(first.DecidedWinRate)}, {first.Decided} decided");
        if (card.RlhfVsSft is { } second) session.Out.WriteLine($"oracle prefers RLHF to SFT            {Share(second.DecidedWinRate)}, {second.Decided} decided");
        if (card.KlPerToken is { } kl) session.Out.WriteLine($"KL from SFT, nats per token           {Wording.Number(kl)}");
        session.Out.WriteLine($"wall time                             {Wording.Duration(TimeSpan.FromSeconds(card.TotalSeconds))}");

        static TableColumn Column(string name) => new TableColumn(name).RightAligned().NoWrap();
    }

    /// <summary>"93.1 % (91.0 – 94.8)"; the parentheses hold the 95 % interval.</summary>
    private static string Share(Estimate e) => e.Count == 0 ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:0.0} % ({100 * e.Low:0.0} – {100 * e.High:0.0})");
}
