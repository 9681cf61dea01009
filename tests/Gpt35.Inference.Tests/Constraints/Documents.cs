using System.Text;
using Gpt35.Inference.Constraints;
using Gpt35.Tokenization;

namespace Gpt35.Inference.Tests.Constraints;

/// <summary>Tokenizers, models and readers that the tests of constraints share.</summary>
internal static class Documents
{
    public const string Sample =
        """
        {"name": "Ada", "age": 36, "tags": ["a", "b"], "nested": {"x": 1.5e3, "y": null}, "ok": true}
        [[{"id":"x"},{"id":"y"}], false, -12, "\u00e9\n"] {"value": "caf\u00e9 €"} abc 123-456 a@b.com aaa bbb
        """;

    public static readonly Tokenizer Tokenizer = BpeTrainer.Train([Sample, Sample], new BpeTrainerOptions { VocabSize = 420 });

    /// <summary>Writes one document with a model that knows nothing, or worse.</summary>
    /// <param name="constraint">What it must be.</param>
    /// <param name="seed">Of the model and the draws.</param>
    /// <param name="room">Most tokens.</param>
    /// <param name="hostile">Whether the model wants mostly what breaks or never ends a document.</param>
    public static (string Text, FinishReason Finish, int Tokens) Write(OutputConstraint constraint, int seed, int room = 200, bool hostile = false)
    {
        var random = new Random(seed);
        var end = Tokenizer.EndOfText;
        var options = new SamplingOptions { Constraint = constraint, Seed = (ulong)seed, MaxTokens = room, StopTokens = [end] };
        var chooser = new TokenChooser(options, new SamplerMemories(Tokenizer.VocabSize + 5), 0, room, Tokenizer);   // a model may have more ids than its tokenizer
        var tokens = new List<int>();
        var logits = new float[Tokenizer.VocabSize + 5];
        var loved = Enumerable.Range(0, 12).Select(_ => random.Next(logits.Length)).Append(end).ToArray();
        while (chooser.Finish is null)
        {
            for (var id = 0; id < logits.Length; id++) logits[id] = (float)random.NextDouble() * 6;
            if (hostile)
            {
                foreach (var id in loved) logits[id] += 40;
                // It wants an opening bracket, a quote, a blank or an end most of all, and rules half of all else out.
                foreach (var id in Tokenizer.Encode("[{\" \n\\")) logits[id] += (float)random.NextDouble() * 60;
                for (var id = 0; id < logits.Length; id += 1 + random.Next(3)) logits[id] = float.NegativeInfinity;
                if (logits.Max() == float.NegativeInfinity) logits[^1] = 0;
            }
            tokens.Add(chooser.Next(logits, out _));
        }
        return (chooser.TextOf([.. tokens], Tokenizer), chooser.Finish.Value, tokens.Count);
    }

    /// <summary>Whether a text can be written token by token, as the tokenizer would cut it, and may end there.</summary>
    public static bool Allows(OutputConstraint constraint, string text, bool bytewise = false)
    {
        var cursor = constraint.Start();
        foreach (var token in bytewise ? Encoding.UTF8.GetBytes(text).Select(value => Tokenizer.EncodeBytes([value])[0]) : Tokenizer.Encode(text))
        {
            if (!TokenMask.Has(cursor.Mask(), token)) return false;
            cursor.Advance(token);
        }
        return cursor.MayEnd;
    }

    /// <summary>Every mask on a way through documents, by asking for each token whether its bytes can be read.</summary>
    public static void AssertMasksAreExact(OutputConstraint constraint, int seed, int steps = 25)
    {
        var random = new Random(seed);
        var cursor = constraint.Start();
        for (var step = 0; step < steps && !cursor.MustEnd; step++)
        {
            var mask = cursor.Mask().ToArray();
            var allowed = new List<int>();
            for (var id = 0; id < Tokenizer.VocabSize; id++)
            {
                var readable = !Tokenizer.SpecialTokens.Values.Contains(id) && cursor.ClosingTokensAfter(id) < ClosingCosts.Never;
                if (readable != TokenMask.Has(mask, id))
                    Assert.Fail($"Step {step}: token {id} '{Tokenizer.Decode([id])}' is {(readable ? "" : "not ")}readable, the mask says otherwise.");
                if (readable) allowed.Add(id);
            }
            Assert.NotEmpty(allowed);
            cursor.Advance(allowed[random.Next(allowed.Count)]);
        }
    }
}
