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

    private void ChooseTokens() => RunChoices(model.Pool, choosing.Count, batch.OutputCount * (long)model.Config.VocabSize, new ChoiceJob(this));

    /// <summary>Runs choices that each stand for themselves, on all threads where there are enough logits.</summary>
    internal static void RunChoices<TJob>(WorkerPool pool, int choices, long logits, TJob job) where TJob : struct, IParallelJob
    {
        if (logits > LogitsOfOneThread) pool.Run(choices, job);
        else
            for (var place = 0; place < choices; place++) job.Run(place);
    }

    /// <summary>The tokens of one sample.</summary>
    private readonly struct ChoiceJob(Scheduler scheduler) : IParallelJob
    {
        public void Run(int part) => scheduler.Choose(scheduler.choosing[part]);
    }

    /// <summary>Chooses row by row, as far as the guesses were right; behind the last token, the completion is put together here too.</summary>
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
            if (sample.Finish is not null) sample.Complete(Tokenizer);
        }
        catch (Exception exception)
        {
            sample.Failure = exception;
        }
    }

    private ReadOnlySpan<float> LogitsOf(int row) => logits.AsSpan(row * model.Config.VocabSize, model.Config.VocabSize);
}
