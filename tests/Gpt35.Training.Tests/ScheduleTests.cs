namespace Gpt35.Training.Tests;

public sealed class ScheduleTests
{
    [Fact]
    public void Warm_up_rises_in_equal_steps_to_the_peak()
    {
        var schedule = new LearningRateSchedule(new OptimizerOptions { Lr = 1, WarmupSteps = 4 }, 100);
        Assert.Equal([0.25, 0.5, 0.75, 1.0], Enumerable.Range(0, 4).Select(schedule.At));
    }

    [Fact]
    public void The_cosine_passes_half_way_between_peak_and_floor_in_the_middle()
    {
        var schedule = new LearningRateSchedule(new OptimizerOptions { Lr = 2, WarmupSteps = 10, MinLrRatio = 0.1 }, 110);
        Assert.Equal(2, schedule.At(10), 1e-12);
        Assert.Equal(2 * 0.55, schedule.At(60), 1e-12);
        Assert.Equal(0.2, schedule.At(110), 1e-12);
        Assert.Equal(0.2, schedule.At(500), 1e-12);
    }

    [Fact]
    public void The_line_and_the_constant()
    {
        var options = new OptimizerOptions { Lr = 1, MinLrRatio = 0 };
        Assert.Equal(0.75, new LearningRateSchedule(options with { Schedule = ScheduleShape.Linear }, 100).At(25), 1e-12);
        Assert.Equal(1, new LearningRateSchedule(options with { Schedule = ScheduleShape.Constant }, 100).At(99));
    }
}
