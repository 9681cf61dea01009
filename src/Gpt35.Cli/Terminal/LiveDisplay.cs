using System.Collections.Concurrent;
using Gpt35.Training;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gpt35.Cli.Terminal;

/// <summary>Progress as one line that redraws itself: stage, bar, step, the metrics worth watching, time left.</summary>
internal sealed class LiveDisplay : IRunObserver
{
    private readonly Session session;
    private readonly ProgressContext context;
    private readonly LineColumn lines;
    private ProgressTask? task;
    private Pace pace;

    private LiveDisplay(Session session, ProgressContext context, LineColumn lines) =>
        (this.session, this.context, this.lines, pace) = (session, context, lines, new Pace(session.Time, 0));

    public static T Show<T>(Session session, Func<IRunObserver, T> run)
    {
        var lines = new LineColumn(session.Width);
        return session.Console.Progress().AutoClear(false).ExcludeVerticalPadding().Columns(lines).Start(context => run(new LiveDisplay(session, context, lines)));
    }

    public void Started(string stage, int totalSteps, string description)
    {
        session.Console.WriteLine(description, new Style(decoration: Decoration.Dim));
        pace = new Pace(session.Time, totalSteps);
        task = context.AddTask(stage, maxValue: Math.Max(1, totalSteps));
    }

    public void Step(int step, IReadOnlyDictionary<string, double> metrics)
    {
        if (task is null) return;
        pace.Reached(step);
        lines.Set(task, Wording.Progress(pace, Wording.Metrics(metrics), lines.Room));
        task.Value = step;
    }

    public void Note(string line) => session.Console.WriteLine(line);

    public void Finished(StageSummary summary)
    {
        if (task is null) return;
        lines.Set(task, $"{pace.Total}/{pace.Total}  {Wording.Duration(pace.Elapsed)}");
        task.Value = task.MaxValue;
    }

    /// <summary>The whole line. One column, because a table would squeeze the names to make room for the numbers. Written by the run, read by the thread that draws.</summary>
    private sealed class LineColumn(int width) : ProgressColumn
    {
        private const int NameWidth = 9, BarWidth = 12;

        private readonly ConcurrentDictionary<int, string> texts = new();

        /// <summary>Columns left for text beside name and bar; the last column stays free, or some terminals wrap.</summary>
        public int Room => Math.Max(10, width - NameWidth - BarWidth - 3);

        protected override bool NoWrap => true;

        public void Set(ProgressTask task, string text) => texts[task.Id] = text;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            var (full, empty) = options.Unicode ? ('━', '╌') : ('#', '-');
            var done = (int)(BarWidth * Math.Clamp(task.Value / task.MaxValue, 0, 1));
            return new Paragraph { Overflow = Overflow.Ellipsis }
                .Append(task.Description.PadRight(NameWidth))
                .Append(new string(full, done), new Style(Color.Green))
                .Append(new string(empty, BarWidth - done), new Style(Color.Grey))
                .Append("  " + texts.GetValueOrDefault(task.Id, ""));
        }
    }
}
