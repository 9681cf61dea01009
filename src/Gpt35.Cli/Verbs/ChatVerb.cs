using System.CommandLine;
using System.Text;
using Gpt35.Data;
using Gpt35.Evaluation;
using Gpt35.Inference;
using Microsoft.Extensions.AI;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 chat MODEL</c>: a conversation in the terminal, with memory of its turns.</summary>
internal static class ChatVerb
{
    public static Command Create(Session session)
    {
        var model = new Argument<string>("model") { Description = "Model folder, or the run folder of a stage." };
        var system = new Option<string?>("--system") { Description = "System message that opens the conversation." };
        var sampling = new SamplingArguments(temperature: 0.7, maxTokens: 128);
        var weights = new WeightsArgument();
        var adapter = new AdapterArgument();
        var guesses = new GuessArguments();
        var bias = new LogitBiasArgument();
        var command = new Command("chat", "Talk with a chat model in the terminal.") { model, system };
        sampling.AddTo(command);
        weights.AddTo(command);
        adapter.AddTo(command);
        guesses.AddTo(command);
        bias.AddTo(command);
        command.SetAction(parsed =>
        {
            using var pool = Session.OpenPool(parsed);
            var path = parsed.GetRequiredValue(model);
            using var folder = adapter.Open(session, parsed, path, pool, weights.Read(parsed));
            WeightsArgument.Announce(session, parsed, folder.Model);
            var format = Models.RequireChatFormat(folder, path);
            var options = sampling.Read(parsed) with { LogitBias = bias.Read(parsed, folder) };
            session.Say(parsed, "Type a message. /reset forgets all, /quit leaves, Ctrl-C stops an answer.");
            using var draft = guesses.OpenDraft(parsed, folder, pool, weights.Read(parsed));
            using var engine = Models.EngineOf(folder, weights.ReadCache(parsed), draft: draft, lookup: guesses.LooksUp(parsed));
            new Conversation(session, engine, format, parsed.GetValue(system), options).Run();
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>One conversation: what was said so far, and the loop that goes on with it. The engine's prefix cache keeps what was read, so a turn costs its new tokens.</summary>
    private sealed class Conversation
    {
        private readonly Session session;
        private readonly IChatClient client;
        private readonly SamplingOptions options;
        private readonly List<ChatMessage> messages;
        private ulong turn;

        public Conversation(Session session, InferenceEngine engine, ChatFormat format, string? system, SamplingOptions options)
        {
            (this.session, this.options) = (session, options);
            var context = engine.Config.MaxPositionEmbeddings;
            client = new EngineChatClient(engine, ChatPrompts.Of(format, engine.Tokenizer!, mostTokens: Math.Max(context - options.MaxTokens, context / 2)));
            messages = system is null ? [] : [new ChatMessage(ChatRole.System, system)];
        }

        public void Run()
        {
            while (ReadLine() is { } line)
                switch (line.Trim())
                {
                    case "": break;
                    case "/quit" or "/exit": return;
                    case "/reset": messages.RemoveAll(message => message.Role != ChatRole.System); break;
                    case var command when command.StartsWith('/') && !command.Contains(' '):
                        session.Error.WriteLine($"There is no {command}. There are /reset and /quit.");
                        break;
                    case var text: Answer(text); break;
                }
        }

        private string? ReadLine()
        {
            if (session.Interactive) session.Out.Write("\n> ");
            session.Out.Flush();
            // Nothing is lost by leaving here: a press at the prompt ends the process as usual.
            using var leave = session.Interrupts.Divert(() => false);
            return session.In.ReadLine();
        }

        private void Answer(string text)
        {
            messages.Add(new ChatMessage(ChatRole.User, text));
            using var stop = new CancellationTokenSource();
            using var diverted = session.Interrupts.Divert(() => { stop.Cancel(); return true; });
            var (answer, turnOptions) = (new StringBuilder(), options with { Seed = options.Seed + turn++ });
            try
            {
                var updates = client.GetStreamingResponseAsync(messages, new ChatOptions { RawRepresentationFactory = _ => turnOptions }, stop.Token);
                foreach (var update in updates.ToBlockingEnumerable(CancellationToken.None))
                {
                    answer.Append(update.Text);
                    session.Out.Write(update.Text);
                    session.Out.Flush();
                }
            }
            catch (InvalidDataException tooLong)
            {
                messages.RemoveAt(messages.Count - 1);
                session.Error.WriteLine(tooLong.Message);
                return;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Stopping an answer is not an error; the text so far stands.
            }
            messages.Add(new ChatMessage(ChatRole.Assistant, answer.ToString()));
            session.Out.WriteLine();
        }
    }
}
