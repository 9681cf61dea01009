namespace Gpt35.Model;

/// <summary>
/// Keeps those who read the values of a <see cref="ParameterSet"/> and those who change them apart. Passes over the model and changes are short and wait for each other. A text that is being
/// written needs the same values from its first token to its last, which may take long, so a change meanwhile is refused.
/// </summary>
internal sealed class ValueUse
{
    private readonly object gate = new();
    private int passes, texts;
    private bool changing;
    private long version;

    /// <summary>Changes so far.</summary>
    public long Version => Interlocked.Read(ref version);

    public void BeginPass()
    {
        lock (gate)
        {
            while (changing) Monitor.Wait(gate);
            passes++;
        }
    }

    public void EndPass()
    {
        lock (gate)
            if (--passes == 0) Monitor.PulseAll(gate);
    }

    public void BeginText()
    {
        lock (gate)
        {
            while (changing) Monitor.Wait(gate);
            texts++;
        }
    }

    public void EndText()
    {
        lock (gate) texts--;
    }

    /// <exception cref="InvalidOperationException">Texts are being written.</exception>
    public void BeginChange()
    {
        lock (gate)
        {
            while (texts == 0 && (passes > 0 || changing)) Monitor.Wait(gate);
            if (texts > 0)
                throw new InvalidOperationException($"The weights are to be changed while {texts} {(texts == 1 ? "request" : "requests")} of an InferenceEngine over them {(texts == 1 ? "is" : "are")} under way, "
                    + "whose texts would begin with one model and end with another. Wait until they have ended, cancel them, or train a copy (Decoder.Merge makes one).");
            changing = true;
        }
    }

    public void EndChange()
    {
        lock (gate)
        {
            changing = false;
            version++;
            Monitor.PulseAll(gate);
        }
    }
}
