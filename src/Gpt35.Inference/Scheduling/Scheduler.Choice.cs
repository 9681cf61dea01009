using Gpt35.Kernels;

namespace Gpt35.Inference.Scheduling;

/// <summary>
/// The choice of tokens behind a pass, on all threads and without the scheduler's lock: it reads every logit, and a constraint may take its time. What it changes belongs to the sample alone, and nobody
/// else sees it before it lands.
/// </summary>
internal sealed partial class Scheduler
{
    /// <summary>Logits that are not worth waking another thread for: some microseconds.</summary>
    private const int LogitsOfOneThread = 8192;

    private void ChooseTokens()
    {
        var job = new ChoiceJob(this);
        if (batch.OutputCount * (long)model.Config.VocabSize > LogitsOfOneThread) model.Pool.Run(choosing.Count, job);
        else
            for (var place = 0; place < choosing.Count; place++) job.Run(place);
    }

    /// <summary>The tokens of one sample.</summary>
    private readonly struct ChoiceJob(Scheduler scheduler) : IParallelJob
    {
        public void Run(int part) => scheduler.Choose(scheduler.choosing[part]);
    }

    /// <summary>Chooses row by row, as far as the guesses were right.</summary>
    private void Choose(Sample sample)
    {
        try
        {
            for (var row = sample.Rows.First; row < sample.Rows.End && sample.Finish is null; row++)
            {
                var token = sample.Choose(LogitsOf(row));
                if (row == sample.Rows.End - 1 || token != batch.Tokens[batch.OutputRows[row] + 1]) break;
                sample.Right++;
            }
        }
        catch (Exception exception)
        {
            sample.Failure = exception;
        }
    }

    private ReadOnlySpan<float> LogitsOf(int row) => logits.AsSpan(row * model.Config.VocabSize, model.Config.VocabSize);
}
