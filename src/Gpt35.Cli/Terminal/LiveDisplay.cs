using System.Collections.Concurrent;
using Gpt35.Training;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gpt35.Cli.Terminal;

/// <summary>Progress as one line that redraws itself: stage, bar, step, the metrics worth watching, time left.</summary>
internal sealed class LiveDisplay : IRunObserver
{
    private const int BarWidth = 12;

    private readonly Session session;
    private readonly ProgressContext context;
    private readonly StatusColumn status;
    private ProgressTask? task;
    private Pace pace;

    private LiveDisplay(Session session, ProgressContext context, StatusColumn status) =>
        (this.session, this.context, this.status, pace) = (session, context, status, new Pace(session.Time, 0));

    public static T Show<T>(Session session, Func<IRunObserver, T> run)
    {
        var status = new StatusColumn();
        return session.Console.Progress()
            .AutoClear(false)
            .ExcludeVerticalPadding()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = BarWidth }, status)
            .Start(context => run(new LiveDisplay(session, context, status)));
    }

    public void Started(string stage, int totalSteps, string description)
    {
        session.Console.WriteLine(description, new Style(decoration: Decoration.Dim));
        pace = new Pace(session.Time, totalSteps);
        task = context.AddTask(stage.EscapeMarkup(), maxValue: Math.Max(1, totalSteps));
    }

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        if (task is null) return;
        pace.Reached(step);
        status.Set(task, Wording.Progress(pace, Wording.Metrics(metrics)));
        task.Value = step;
    }

    public void Note(string line) => session.Console.WriteLine(line);

    public void Finished(StageSummary summary)
    {
        if (task is null) return;
        status.Set(task, $"{Wording.Progress(pace, "")}  {Wording.Duration(pace.Elapsed)}");
        task.Value = task.MaxValue;
    }

    /// <summary>The text beside each bar; written by the run, read by the thread that draws.</summary>
    private sealed class StatusColumn : ProgressColumn
    {
        private readonly ConcurrentDictionary<int, string> texts = new();

        protected override bool NoWrap => true;

        public void Set(ProgressTask task, string text) => texts[task.Id] = text;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(texts.GetValueOrDefault(task.Id, "")).Overflow(Overflow.Ellipsis);
    }
}
