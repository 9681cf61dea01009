using System.CommandLine;
using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Model;

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
        var command = new Command("chat", "Talk with a chat model in the terminal.") { model, system };
        sampling.AddTo(command);
        weights.AddTo(command);
        adapter.AddTo(command);
        command.SetAction(parsed =>
        {
            using var pool = Session.OpenPool(parsed);
            var path = parsed.GetRequiredValue(model);
            using var folder = adapter.Open(session, parsed, path, pool, weights.Read(parsed));
            WeightsArgument.Announce(session, parsed, folder.Model);
            var format = Models.RequireChatFormat(folder, path);
            session.Say(parsed, "Type a message. /reset forgets all, /quit leaves, Ctrl-C stops an answer.");
            new Conversation(session, folder, format, parsed.GetValue(system), sampling.Read(parsed)).Run();
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>One conversation: what was said so far, and the loop that goes on with it.</summary>
    private sealed class Conversation(Session session, ModelFolder folder, ChatFormat format, string? system, SamplingOptions options)
    {
        private readonly List<Message> messages = system is null ? [] : [Message.System(system)];
        private ulong turn;

        public void Run()
        {
            while (ReadLine() is { } line)
                switch (line.Trim())
                {
                    case "": break;
                    case "/quit" or "/exit": return;
                    case "/reset": messages.RemoveAll(message => message.Role != Role.System); break;
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
            messages.Add(Message.User(text));
            try
            {
                var room = folder.Model.Config.MaxPositionEmbeddings - options.MaxTokens;
                var prompt = format.RenderPrompt(messages, folder.Tokenizer, Math.Max(room, folder.Model.Config.MaxPositionEmbeddings / 2));
                var turnOptions = options with
                {
                    Seed = options.Seed + turn++,
                    StopTokens = format.StopTokens(folder.Tokenizer),
                };
                using var stop = new CancellationTokenSource();
                using var diverted = session.Interrupts.Divert(() => { stop.Cancel(); return true; });
                messages.Add(Message.Assistant(format.ReadCompletion(TextStream.Write(folder, prompt, turnOptions, session.Out, stop.Token, format.Lead))));
                session.Out.WriteLine();
            }
            catch (InvalidDataException tooLong)
            {
                messages.RemoveAt(messages.Count - 1);
                session.Error.WriteLine(tooLong.Message);
            }
        }
    }
}
