namespace Gpt35.Training;

/// <summary>
/// Finds optimizer steps that would do harm: the loss or the gradient norm lies more than z standard deviations above the mean of the last steps
/// (OLMo 2, arXiv 2501.00656, and its SkipStepOptimizer; z = 6 over 128 steps). Outliers enter the window too, so a level that has really changed is
/// soon an ordinary one.
/// </summary>
internal sealed class OutlierGuard(OutlierOptions options)
{
    /// <summary>A run that skips this many steps one after the other is not unlucky.</summary>
    private const int MostInARow = 16;

    private readonly Queue<double> losses = [], norms = [];
    private int inARow;

    /// <summary>Steps skipped so far.</summary>
    public int Skipped { get; private set; }

    /// <summary>Whether to skip a step; remembers its numbers.</summary>
    /// <param name="loss">Loss of the step.</param>
    /// <param name="norm">Global norm of its gradient, before clipping.</param>
    /// <exception cref="InvalidDataException">Nothing but outliers: training has diverged.</exception>
    public bool Rejects(double loss, double norm)
    {
        var rejected = IsOutlier(losses, loss) | IsOutlier(norms, norm);
        inARow = rejected ? inARow + 1 : 0;
        if (rejected) Skipped++;
        return inARow < MostInARow ? rejected : throw new InvalidDataException(
            $"Training diverged: {MostInARow} steps in a row were outliers (loss {loss:G5}, gradient norm {norm:G5}). Lower the learning rate, lengthen the warm-up, or raise skip_outliers.z.");
    }

    public void Save(BinaryWriter writer)
    {
        writer.Write(Skipped);
        writer.Write(inARow);
        foreach (var window in (Queue<double>[])[losses, norms])
        {
            writer.Write(window.Count);
            foreach (var value in window) writer.Write(value);
        }
    }

    public void Load(BinaryReader reader)
    {
        Skipped = reader.ReadInt32();
        inARow = reader.ReadInt32();
        foreach (var window in (Queue<double>[])[losses, norms])
        {
            window.Clear();
            for (var left = reader.ReadInt32(); left > 0; left--) window.Enqueue(reader.ReadDouble());
        }
    }

    private bool IsOutlier(Queue<double> window, double value)
    {
        if (!double.IsFinite(value)) return true;
        var outlier = false;
        if (window.Count >= Math.Max(2, options.Window / 2))
        {
            var mean = window.Average();
            var deviation = Math.Sqrt(window.Sum(x => (x - mean) * (x - mean)) / (window.Count - 1));
            outlier = value - mean > options.Z * deviation;
        }
        window.Enqueue(value);
        if (window.Count > options.Window) window.Dequeue();
        return outlier;
    }
}
