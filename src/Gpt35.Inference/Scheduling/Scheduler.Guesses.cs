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

    private readonly List<Sample> drafting = [];        // those for whom the draft model is at work
    private readonly int[] guess;
    private double guessCost;                           // of one more token, as a part of a sample's share of a pass
    private int guessBudget;                            // of the step that is being planned
    private double guessRate = GuessLength.FirstRate;   // of all samples, to begin new ones with

    /// <summary>Lets the draft model guess, in passes of its own before the step's.</summary>
    private void Draft(Drafter drafter)
    {
        lock (gate)
        {
            drafting.Clear();
            foreach (var sample in running)
                if (sample.IsDecoding) drafting.Add(sample);
            foreach (var sample in drafting) sample.InFlight = true;
        }
        Exception? failure = null;
        try
        {
            drafter.Follow(drafting);                              // without the lock: a constraint may take its time
            lock (gate)
            {
                PlanGuesses();
                drafter.Plan(drafting, guessCost, options.TokensPerStep, guessBudget);
            }
            drafter.Run();
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        lock (gate)
            foreach (var sample in drafting)
            {
                sample.InFlight = false;
                if (sample.Gone) Close(sample);                    // it was cancelled meanwhile
                else if (failure is not null) Stop(sample.Generation, failure);
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

    /// <summary>Guesses tokens to come, as far as there are blocks for them without taking any from others.</summary>
    private int Guess(Sample sample)
    {
        var most = Math.Min(Math.Min(guess.Length, guessBudget), sample.MostTokens - sample.Count - 1);
        most = Math.Min(most, sample.Held.Capacity + pool.Available * KvCache.BlockTokens - sample.Count);
        if (most <= 0) return 0;
        var guesses = sample.Draft is { } draft ? Copy(draft.Guess, most) : options.Speculator is { } speculator ? Ask(speculator, sample, most) : 0;
        for (var i = 0; i < guesses; i++)
            if ((uint)guess[i] >= (uint)model.Config.VocabSize) guesses = i;
        if (guesses == 0 || !Reserve(sample, sample.Count + guesses)) return 0;
        guessBudget -= guesses;
        return guesses;
    }

    private int Copy(ReadOnlySpan<int> found, int most)
    {
        found = found[..Math.Min(most, found.Length)];
        found.CopyTo(guess);
        return found.Length;
    }

    private int Ask(ISpeculator speculator, Sample sample, int most)
    {
        most = sample.GuessLength.Next(guessCost, most);
        if (most == 0) return 0;
        try
        {
            return Math.Clamp(speculator.Guess(sample.Text, guess.AsSpan(0, most)), 0, most);
        }
        catch (Exception exception)
        {
            sample.Failure = exception;                            // its own code: the others have nothing to do with it
            return 0;
        }
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
