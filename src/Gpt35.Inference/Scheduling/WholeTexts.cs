using Gpt35.Model;

namespace Gpt35.Inference.Scheduling;

/// <summary>A text to read.</summary>
/// <param name="Tokens">Its ids; what is not to be read is left out.</param>
/// <param name="FirstOutput">The token from which on outputs are wanted.</param>
/// <param name="Adapter">What the model is adapted with.</param>
internal readonly record struct WholeText(ReadOnlyMemory<int> Tokens, int FirstOutput, LoraAdapter? Adapter);

/// <summary>
/// Reads texts of which nothing is kept, as many in a pass as a budget of tokens allows. A longer one takes several passes, so that whoever shares the model
/// waits for a piece only. The outputs have the same bits however the texts are cut.
/// </summary>
/// <param name="model">The decoder.</param>
/// <param name="takeTurn">What is held for every pass.</param>
/// <param name="options">The engine's: a text's numbers are those it would have if it were generated.</param>
/// <param name="tokensPerStep">Most tokens of a pass.</param>
internal sealed class WholeTexts(Decoder model, Func<Turns.Turn> takeTurn, EngineOptions options, int tokensPerStep)
{
    /// <summary>Takes the output of one token; those of a text come in order.</summary>
    /// <param name="text">Which text.</param>
    /// <param name="token">Which of its tokens.</param>
    /// <param name="output">The final norm's output, (D,), or the logits of the next token, (V,).</param>
    public delegate void Take(int text, int token, ReadOnlySpan<float> output);

    private readonly record struct Piece(int Text, int Start, int Count)
    {
        public int End => Start + Count;
    }

    public void ReadStates(IReadOnlyList<WholeText> texts, Take take, CancellationToken cancel) => Read(texts, model.Config.HiddenSize, wantsLogits: false, take, cancel);

    public void ReadLogits(IReadOnlyList<WholeText> texts, Take take, CancellationToken cancel) => Read(texts, model.Config.VocabSize, wantsLogits: true, take, cancel);

    private void Read(IReadOnlyList<WholeText> texts, int width, bool wantsLogits, Take take, CancellationToken cancel)
    {
        var passes = Plan(texts);
        if (passes.Count == 0) return;
        using var cache = new KvCache(model.Config, passes.Max(pass => pass.Sum(piece => KvCache.BlocksOf(piece.End))), options.CachePrecision);
        var free = new Stack<int>(Enumerable.Range(0, cache.Blocks).Reverse());
        var outputs = new float[checked(passes.Max(pass => pass.Sum(piece => OutputsOf(texts, piece))) * width)];
        var sequences = new KvSequence?[texts.Count];
        var batch = new ExtendBatch();
        foreach (var pass in passes)
        {
            cancel.ThrowIfCancellationRequested();
            batch.Clear();
            foreach (var piece in pass)
            {
                var (text, sequence) = (texts[piece.Text], sequences[piece.Text] ??= new KvSequence(texts[piece.Text].Tokens.Length));
                while (sequence.Capacity < piece.End) sequence.Append(free.Pop());
                batch.Add(sequence, text.Tokens.Span.Slice(piece.Start, piece.Count), OutputsOf(texts, piece), text.Adapter);
            }
            var found = outputs.AsSpan(0, batch.OutputCount * width);
            using (takeTurn()) model.Extend(cache, batch, wantsLogits ? found : default, wantsLogits ? default : found);
            for (var b = 0; b < pass.Count; b++)
            {
                var (piece, first) = (pass[b], pass[b].End - OutputsOf(texts, pass[b]));
                for (var row = batch.OutputStarts[b]; row < batch.OutputStarts[b + 1]; row++)
                    take(piece.Text, first + row - batch.OutputStarts[b], outputs.AsSpan(row * width, width));
                if (piece.End < texts[piece.Text].Tokens.Length) continue;
                foreach (var block in sequences[piece.Text]!.Blocks) free.Push(block);
                sequences[piece.Text] = null;
            }
        }
    }

    private static int OutputsOf(IReadOnlyList<WholeText> texts, Piece piece) => Math.Clamp(piece.End - texts[piece.Text].FirstOutput, 0, piece.Count);

    private List<List<Piece>> Plan(IReadOnlyList<WholeText> texts)
    {
        var passes = new List<List<Piece>>();
        var room = 0;
        for (var text = 0; text < texts.Count; text++)
            for (var start = 0; start < texts[text].Tokens.Length;)
            {
                if (room == 0 || passes[^1].Count == options.MaxSequences)
                {
                    passes.Add([]);
                    room = tokensPerStep;
                }
                var count = Math.Min(room, texts[text].Tokens.Length - start);
                passes[^1].Add(new Piece(text, start, count));
                (start, room) = (start + count, room - count);
            }
        return passes;
    }
}
