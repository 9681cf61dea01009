namespace Gpt35.Model;

public sealed unsafe partial class Decoder
{
    private readonly Turns passes = new();                  // whoever computes in this model's memory
    private int calls, texts;

    /// <summary>Passes under way and waiting.</summary>
    internal long PassCount => passes.Count;

    /// <summary>Changes so far of the values that this model computes with: what was computed under another number is out of date.</summary>
    public long Version => weights.Version + (adapter?.Parameters.Version ?? 0);

    /// <summary>
    /// To be held while a text is written with this model over several passes: until it is disposed of, its weights and the adapter's stay what they are (<see cref="ParameterSet.BeginChange"/>
    /// is refused), the adapter's memory lives although its owner disposes of it, and no training pass begins in this model's memory.
    /// </summary>
    /// <param name="other">The adapter that the text is written with, over the model; null: none.</param>
    /// <exception cref="ArgumentException">The adapter does not fit the model.</exception>
    /// <exception cref="ObjectDisposedException">The adapter or the model was disposed of.</exception>
    public IDisposable Hold(LoraAdapter? other = null)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (other is not null) RequireAdapter(other);
        other?.Enter();
        other?.Parameters.Use.BeginText();
        adapter?.Parameters.Use.BeginText();
        weights.Use.BeginText();
        Interlocked.Increment(ref texts);
        return new TextHold(this, other);
    }

    /// <summary>A turn of <see cref="Forward"/> or <see cref="Backward"/>, whose results lie in memory that the next one overwrites: they wait for steps of generation, but not for each other.</summary>
    private PassScope BeginCall(bool forBackward = false)
    {
        if (forBackward && Volatile.Read(ref texts) is > 0 and var count)
            throw new InvalidOperationException($"A pass for training is asked for while {count} {(count == 1 ? "request" : "requests")} of an InferenceEngine over this model {(count == 1 ? "is" : "are")} under way, "
                + "whose next step would overwrite what Backward needs. Wait until they have ended, cancel them, or train a copy (Decoder.Merge makes one).");
        if (Interlocked.Exchange(ref calls, 1) != 0)
            throw new InvalidOperationException("Two threads are in Forward or Backward of one model; expected one at a time, since both return their numbers in the model's memory. Give each thread a model of its own, "
                + "or let one wait for the other.");
        try
        {
            return BeginPass(isCall: true);
        }
        catch
        {
            Volatile.Write(ref calls, 0);
            throw;
        }
    }

    /// <summary>A turn of computing in this model's memory.</summary>
    private PassScope BeginPass(bool isCall = false)
    {
        var turn = passes.Take();
        if (disposed)
        {
            turn.Dispose();
            throw new ObjectDisposedException(nameof(Decoder), "The model was disposed of while it was still to compute. Dispose of engines before their models.");
        }
        weights.Use.BeginPass();
        adapter?.Parameters.Use.BeginPass();
        return new PassScope(this, turn, isCall);
    }

    private readonly struct PassScope(Decoder model, Turns.Turn turn, bool isCall) : IDisposable
    {
        public void Dispose()
        {
            model.adapter?.Parameters.Use.EndPass();
            model.weights.Use.EndPass();
            if (isCall) Volatile.Write(ref model.calls, 0);
            turn.Dispose();
        }
    }

    /// <summary>The adapters of a step, for as long as it takes; neighbours with the same one count once.</summary>
    private ref struct AdapterScope : IDisposable
    {
        private readonly ReadOnlySpan<LoraAdapter?> adapters;
        private int entered;

        /// <exception cref="ObjectDisposedException">One has been disposed of, and nobody holds it any more.</exception>
        public AdapterScope(ReadOnlySpan<LoraAdapter?> adapters)
        {
            this.adapters = adapters;
            try
            {
                for (; entered < adapters.Length; entered++)
                    if (IsNew(entered))
                    {
                        adapters[entered]!.Enter(again: true);
                        adapters[entered]!.Parameters.Use.BeginPass();
                    }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            while (entered > 0)
                if (IsNew(--entered))
                {
                    adapters[entered]!.Parameters.Use.EndPass();
                    adapters[entered]!.Leave();
                }
        }

        private readonly bool IsNew(int place) => adapters[place] is { } adapter && (place == 0 || adapters[place - 1] != adapter);
    }

    private sealed class TextHold(Decoder model, LoraAdapter? other) : IDisposable
    {
        private int ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref ended, 1) != 0) return;
            Interlocked.Decrement(ref model.texts);
            model.weights.Use.EndText();
            model.adapter?.Parameters.Use.EndText();
            other?.Parameters.Use.EndText();
            other?.Leave();
        }
    }
}
