namespace Gpt35.Training;

/// <summary>How the learning rate falls after warm-up.</summary>
public enum ScheduleShape
{
    /// <summary>Half a cosine from the peak to the floor.</summary>
    Cosine,
    /// <summary>A straight line from the peak to the floor.</summary>
    Linear,
    /// <summary>The peak throughout.</summary>
    Constant,
}

/// <summary>Learning rate of every step: linear warm-up, then cosine, linear or constant (Brown et al. 2020, appendix B).</summary>
/// <param name="options">Peak, warm-up, shape, floor.</param>
/// <param name="totalSteps">Steps of the whole run.</param>
public sealed class LearningRateSchedule(OptimizerOptions options, int totalSteps)
{
    /// <summary>Learning rate of step 0, 1, …: peak·(step + 1)/warm-up while warming up, floor·peak just after the last step.</summary>
    public double At(int step)
    {
        if (step < options.WarmupSteps) return options.Lr * (step + 1) / options.WarmupSteps;
        var progress = Math.Min(1, (step - options.WarmupSteps) / (double)Math.Max(1, totalSteps - options.WarmupSteps));
        var height = options.Schedule switch
        {
            ScheduleShape.Cosine => 0.5 * (1 + Math.Cos(Math.PI * progress)),
            ScheduleShape.Linear => 1 - progress,
            ScheduleShape.Constant => 1,
            _ => throw new InvalidOperationException($"Not a schedule: {options.Schedule}."),
        };
        return options.Lr * (options.MinLrRatio + (1 - options.MinLrRatio) * height);
    }
}
