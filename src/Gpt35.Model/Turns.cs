namespace Gpt35.Model;

/// <summary>A lock that is held in the order in which it was asked for: whoever takes it again at once, as an engine's thread does between two steps, keeps nobody out.</summary>
public sealed class Turns
{
    private readonly object gate = new();
    private long asked, served;

    /// <summary>Those who hold it or wait.</summary>
    public long Count
    {
        get
        {
            lock (gate) return asked - served;
        }
    }

    /// <summary>Waits for its turn, which lasts until the result is disposed of. Not to be taken twice by one thread.</summary>
    public Turn Take()
    {
        lock (gate)
        {
            var mine = asked++;
            while (served != mine) Monitor.Wait(gate);
        }
        return new Turn(this);
    }

    private void End()
    {
        lock (gate)
        {
            served++;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Ends the turn when it is disposed of.</summary>
    public readonly struct Turn : IDisposable
    {
        private readonly Turns turns;

        internal Turn(Turns turns) => this.turns = turns;

        public void Dispose() => turns.End();
    }
}
