using System.Text;
using Gpt35.Inference;

namespace Gpt35.Cli;

/// <summary>Writes a completion while it is being made.</summary>
internal static class TextStream
{
    /// <summary>Streams one completion to <paramref name="output"/> and returns all of its text, the lead included and the token or text that ended it left out.</summary>
    /// <param name="engine">What makes it.</param>
    /// <param name="request">Prompt and options; of one sample.</param>
    /// <param name="output">Receives the text, flushed after every piece.</param>
    /// <param name="cancel">Ends the completion early; what was written so far is returned.</param>
    /// <param name="lead">What the chat format puts before an answer; not shown where the completion begins with it.</param>
    public static string Write(InferenceEngine engine, GenerationRequest request, TextWriter output, CancellationToken cancel, string lead = "")
    {
        var (all, shown) = (new StringBuilder(), new AnswerText(lead));
        try
        {
            foreach (var token in engine.StreamAsync(request, cancel).ToBlockingEnumerable(CancellationToken.None))
            {
                all.Append(token.Text);
                Show(shown.Push(token.Text));
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopping an answer is not an error; the text so far stands.
        }
        Show(shown.Flush());
        return all.ToString();

        void Show(string piece)
        {
            output.Write(piece);
            output.Flush();
        }
    }
}
