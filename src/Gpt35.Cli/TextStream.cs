using System.Text;
using Gpt35.Inference;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli;

/// <summary>Writes a completion while it is being made.</summary>
internal static class TextStream
{
    /// <summary>Streams one completion to <paramref name="output"/> and returns its text, without the token that ended it.</summary>
    /// <param name="folder">The model and its tokenizer.</param>
    /// <param name="prompt">Prompt ids; at least one.</param>
    /// <param name="options">How to sample; MaxTokens is cut to what the context still holds.</param>
    /// <param name="output">Receives the text, flushed after every token.</param>
    /// <param name="cancel">Ends the completion early; what was written so far is returned.</param>
    /// <exception cref="InvalidDataException">The prompt fills the context.</exception>
    public static string Write(ModelFolder folder, int[] prompt, SamplingOptions options, TextWriter output, CancellationToken cancel)
    {
        var context = folder.Model.Config.MaxPositionEmbeddings;
        var room = context - prompt.Length;
        if (room < 1)
            throw new InvalidDataException($"The prompt has {prompt.Length} tokens and the model's context holds {context}, the answer included. Shorten the prompt.");
        var decoder = new StreamingDecoder(folder.Tokenizer);
        var text = new StringBuilder();
        try
        {
            foreach (var id in new InferenceEngine(folder.Model, 1).Stream(prompt, options with { MaxTokens = Math.Min(options.MaxTokens, room) }, cancel))
                if (!options.StopTokens.Contains(id)) Show(decoder.Push(id));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopping an answer is not an error; the text so far stands.
        }
        Show(decoder.Flush());
        return text.ToString();

        void Show(string piece)
        {
            text.Append(piece);
            output.Write(piece);
            output.Flush();
        }
    }
}
