using System.Text;
using Gpt35.Inference;
using Gpt35.Model;

namespace Gpt35.Cli;

/// <summary>Writes a completion while it is being made.</summary>
internal static class TextStream
{
    /// <summary>Streams one completion to <paramref name="output"/> and returns all of its text, the lead included and the token or text that ended it left out.</summary>
    /// <param name="folder">The model and its tokenizer.</param>
    /// <param name="prompt">Prompt ids; at least one.</param>
    /// <param name="options">How to sample; MaxTokens is cut to what the context still holds.</param>
    /// <param name="output">Receives the text, flushed after every token.</param>
    /// <param name="cancel">Ends the completion early; what was written so far is returned.</param>
    /// <param name="lead">What the chat format puts before an answer; not shown where the completion begins with it.</param>
    /// <exception cref="InvalidDataException">The prompt fills the context.</exception>
    public static string Write(ModelFolder folder, int[] prompt, SamplingOptions options, TextWriter output, CancellationToken cancel, string lead = "")
    {
        var context = folder.Model.Config.MaxPositionEmbeddings;
        var room = context - prompt.Length;
        if (room < 1)
            throw new InvalidDataException($"The prompt has {prompt.Length} tokens and the model's context holds {context}, the answer included. Shorten the prompt.");
        options = options with { MaxTokens = Math.Min(options.MaxTokens, room), MinTokens = Math.Min(options.MinTokens, room) };
        var decoder = new StopTextDecoder(folder.Tokenizer, options.StopStrings, options.MinTokens);
        var text = new LeadFilter(lead, output);
        try
        {
            foreach (var id in new InferenceEngine(folder.Model, 1, folder.Tokenizer).Stream(prompt, options, cancel))
                if (!options.StopTokens.Contains(id)) text.Push(decoder.Push(id));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopping an answer is not an error; the text so far stands.
        }
        text.Push(decoder.Flush());
        return text.Finish();
    }
}

/// <summary>Passes a text on in pieces, without <paramref name="lead"/> where the text begins with it.</summary>
internal sealed class LeadFilter(string lead, TextWriter output)
{
    private readonly StringBuilder all = new();
    private string? held = "";                                          // what may yet turn out to be the lead; null once that is known

    public void Push(string piece)
    {
        all.Append(piece);
        if (held is null)
        {
            Show(piece);
            return;
        }
        held += piece;
        if (held.Length < lead.Length && lead.StartsWith(held, StringComparison.Ordinal)) return;
        Release();
    }

    /// <summary>Shows what is still held back and returns the whole text.</summary>
    public string Finish()
    {
        if (held is not null) Release();
        return all.ToString();
    }

    private void Release()
    {
        var text = held!;
        held = null;
        Show(text.StartsWith(lead, StringComparison.Ordinal) ? text[lead.Length..] : text);
    }

    private void Show(string piece)
    {
        output.Write(piece);
        output.Flush();
    }
}
