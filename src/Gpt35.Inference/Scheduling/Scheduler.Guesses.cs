using Gpt35.Inference.Speculation;
using Gpt35.Kernels;
using Gpt35.Model;

namespace Gpt35.Inference.Scheduling;

/// <summary>
/// Speculative decoding. Guessed tokens are computed in the pass of the token before them, and then the sample chooses row by row, as it would without; the first
/// row where it chooses another token than was guessed is the last. Guesses use only memory and tokens of the step that nobody else needs.
/// </summary>
internal sealed partial class Scheduler
{
    /// <summary>
    /// A pass over n tokens takes about as long as n + this many would at the speed of a large batch: it reads the weights once for all. Measured on two cores of a Zen 4 (docs/lab-notes.md), where
    /// F32 weights beyond the caches keep the cores waiting, and weights within them hardly. It decides how far to guess, nothing else.
    /// </summary>
    private double TokensOfAPass => model.Precision == WeightPrecision.F32 && model.WeightBytes > 64L << 20 ? 16 : model.WeightBytes > 16L << 20 ? 3 : 1;

    private readonly List<Sample> guessing = [];        // those for whom guesses are made before the step
    private double guessCost;                           // of one more token, as a part of a sample's share of a pass
    private int guessBudget;                            // of the step that is being planned
    private double guessRate = GuessLength.FirstRate;   // of all samples, to begin new ones with

    /// <summary>
    /// Has the speculator or the draft model guess what follows the texts under way, before the step and without the lock: either may take its time. What they change belongs to samples that are in
    /// flight meanwhile, so that nobody else touches it.
    /// </summary>
    private void GuessAhead()
    {
        if (drafter is null && options.Speculator is null) return;
        int blocks;
        lock (gate)
        {
            foreach (var sample in running)
                if (sample.IsDecoding) guessing.Add(sample);
            if (guessing.Count == 0) return;
            foreach (var sample in guessing) sample.InFlight = true;
            PlanGuesses();
            blocks = pool.Available;
        }
        Exception? failure = null;
        try
        {
            if (drafter is not null) drafter.Guess(guessing, guessCost, options.TokensPerStep, guessBudget);
            else Ask(options.Speculator!, blocks);
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        lock (gate)
        {
            foreach (var sample in guessing)
            {
                sample.InFlight = false;
                if (sample.Gone) Close(sample);                    // it was cancelled meanwhile
                else if ((failure ?? sample.Failure) is { } reason) Stop(sample.Generation, reason);
            }
            guessing.Clear();
        }
    }

    private void PlanGuesses()
    {
        var decoding = 0;
        foreach (var sample in running)
            if (sample.IsDecoding) decoding++;
        guessCost = options.GuessCost ?? decoding / (TokensOfAPass + decoding) + (drafter?.RelativeCost ?? 0);
        guessBudget = (options.TokensPerStep - decoding) / 2;      // the other half is for prompts
    }

    /// <summary>Asks one sample after the other, on this thread: a speculator may remember things, and looking something up takes less time than waking another thread.</summary>
    /// <param name="speculator">Whom.</param>
    /// <param name="blocks">That nobody held when the guesses were planned.</param>
    private void Ask(ISpeculator speculator, int blocks)
    {
        var budget = guessBudget;
        foreach (var sample in guessing)
        {
            if (sample.Gone) continue;                             // it was cancelled meanwhile
            try
            {
                var most = Math.Min(Math.Min(speculator.MostTokens, budget), MostAhead(sample, blocks));
                budget -= sample.Ask(speculator, sample.GuessLength.Next(guessCost, most), model.Config.VocabSize);
            }
            catch (Exception exception)
            {
                sample.Failure = exception;                        // its own code: the others have nothing to do with it
            }
        }
    }

    /// <summary>How many tokens could be computed behind a sample's text: as far as it may become longer and there is memory that nobody holds.</summary>
    private static int MostAhead(Sample sample, int blocks) =>
        (int)Math.Min(sample.MostTokens - sample.Count - 1, sample.Held.Capacity + (long)blocks * KvCache.BlockTokens - sample.Count);

    /// <summary>Makes room for guessed tokens, as far as there are blocks for them without taking any from others.</summary>
    /// <returns>How many of them there is room for.</returns>
    private int ReserveGuess(Sample sample)
    {
        var guesses = Math.Min(Math.Min(sample.Guess.Length, guessBudget), MostAhead(sample, pool.Available));
        if (guesses <= 0 || !Reserve(sample, sample.Count + guesses)) return 0;
        guessBudget -= guesses;
        return guesses;
    }

    /// <summary>Takes note of how many guesses were right.</summary>
    private void LearnFrom(Sample sample, int right)
    {
        (guessedTokens, acceptedTokens) = (guessedTokens + sample.Guessed, acceptedTokens + right);
        if (sample.Guessed == 0) return;
        sample.GuessLength.Learn(right, missed: right < sample.Guessed && sample.Finish is null);
        guessRate += (sample.GuessLength.Rate - guessRate) / 16;
    }
}
