using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Gpt35.Inference.Scheduling;

namespace Gpt35.Inference;

/// <summary>A token as it was generated.</summary>
/// <param name="Sample">Which completion of the request.</param>
/// <param name="Token">Its id.</param>
/// <param name="LogProb">As in <see cref="Completion.LogProbs"/>.</param>
/// <param name="Text">The text that has become certain with it: never half a character or a part of a stop string; "" where the engine knows no tokenizer.</param>
/// <param name="Finish">On the last token of a completion, why it ended.</param>
public readonly record struct GeneratedToken(int Sample, int Token, float LogProb, string Text, FinishReason? Finish);

/// <summary>A request that an engine has taken up: its tokens as they come, its completions when they are whole, and the way to stop it.</summary>
public sealed class Generation
{
    private readonly TaskCompletionSource<Completion[]> whole = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Signal changed = new();
    private readonly Scheduler scheduler;
    private readonly Completion?[] completions;
    private int unfinished, reading;

    internal Generation(Scheduler scheduler, GenerationRequest request, IDisposable hold)
    {
        (this.scheduler, Request, Hold, unfinished) = (scheduler, request, hold, request.Samples);
        completions = new Completion?[request.Samples];
        Samples = new Sample[request.Samples];
    }

    public GenerationRequest Request { get; }

    /// <summary>All completions, in order; cancelled with the request, faulted where the model's logits are no numbers.</summary>
    public Task<Completion[]> Completions => whole.Task;

    /// <summary>Tokens of the prompt that were found in the prefix cache.</summary>
    public int CachedTokens { get; internal set; }

    /// <summary>The samples; those behind the first come when the prompt has been read.</summary>
    internal Sample?[] Samples { get; }

    /// <summary>Keeps weights and adapter as they are until nothing of it is left to compute.</summary>
    internal IDisposable Hold { get; }

    /// <summary>Samples that have begun and of which something may yet be computed.</summary>
    internal int OpenSamples { get; set; }

    /// <summary>Stops it: what it holds is free again at once, or with the end of the step under way. Harmless when it has ended.</summary>
    public void Cancel() => scheduler.Cancel(this);

    /// <summary>The tokens as they come, of several completions mixed. One enumeration at a time; one that ends early does not stop the request, and the next begins with the first token.</summary>
    /// <exception cref="InvalidOperationException">Another enumeration is under way.</exception>
    /// <exception cref="OperationCanceledException">The request or the enumeration was cancelled.</exception>
    /// <exception cref="InvalidDataException">The model's logits are no numbers.</exception>
    public async IAsyncEnumerable<GeneratedToken> TokensAsync([EnumeratorCancellation] CancellationToken cancel = default)
    {
        if (Interlocked.Exchange(ref reading, 1) != 0)
            throw new InvalidOperationException("The tokens of a request are being enumerated already; expected one reader at a time. Let one read and pass them on.");
        try
        {
            await using var registration = cancel.Register(changed.Set).ConfigureAwait(false);
            var reader = new Reader(this);
            while (true)
            {
                var ended = whole.Task.IsCompleted;             // before looking, so that the last tokens are not missed
                while (reader.TryRead(out var token)) yield return token;
                cancel.ThrowIfCancellationRequested();
                if (ended) break;
                await changed.WaitAsync().ConfigureAwait(false);
            }
            await whole.Task.ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref reading, 0);
        }
    }

    /// <summary>Reads the tokens that are there, in the order of the samples.</summary>
    internal sealed class Reader(Generation generation)
    {
        private readonly int[] read = new int[generation.Samples.Length];
        private readonly StopTextDecoder?[] texts = [.. generation.Samples.Select(_ =>
            generation.scheduler.Tokenizer is { } tokenizer ? new StopTextDecoder(tokenizer, generation.Request.Options.StopStrings, generation.Request.Options.MinTokens) : null)];

        public bool TryRead(out GeneratedToken token)
        {
            token = default;
            for (var i = 0; i < read.Length; i++)
            {
                if (Volatile.Read(ref generation.Samples[i]) is not { } sample) continue;
                var tokens = sample.GeneratedTokens;
                if (read[i] == tokens.Length) continue;
                var place = read[i]++;
                var finish = sample.FinishAt(place);
                token = new GeneratedToken(i, tokens[place], sample.LogProbs[place], TextOf(i, tokens[place], finish, sample), finish);
                return true;
            }
            return false;
        }

        private string TextOf(int i, int token, FinishReason? finish, Sample sample)
        {
            if (texts[i] is not { } text) return "";
            var piece = sample.EndsWithStopToken && finish is not null ? "" : text.Push(token);
            return finish is null ? piece : piece + text.Flush();
        }
    }

    /// <summary>There are new tokens.</summary>
    internal void Notify() => changed.Set();

    internal void Finish(Sample sample)
    {
        completions[sample.Index] = sample.Completion;
        if (--unfinished > 0) return;
        whole.TrySetResult(completions!);
        changed.Set();
    }

    internal void Fail(Exception exception)
    {
        if (exception is OperationCanceledException) whole.TrySetCanceled();
        else if (whole.TrySetException(exception)) _ = whole.Task.Exception;      // looked at: whoever reads the tokens instead, or has left, owes nobody an answer
        changed.Set();
    }

    /// <summary>Wakes one waiter; a call without one is remembered. Allocates nothing.</summary>
    private sealed class Signal : IValueTaskSource
    {
        private readonly Lock gate = new();
        private ManualResetValueTaskSourceCore<bool> core = new() { RunContinuationsAsynchronously = true };
        private bool set, waiting;

        public void Set()
        {
            lock (gate)
            {
                if (!waiting)
                {
                    set = true;
                    return;
                }
                waiting = false;
            }
            core.SetResult(true);
        }

        public ValueTask WaitAsync()
        {
            lock (gate)
            {
                if (set)
                {
                    set = false;
                    return default;
                }
                core.Reset();
                waiting = true;
                return new ValueTask(this, core.Version);
            }
        }

        public void GetResult(short token) => core.GetResult(token);
        public ValueTaskSourceStatus GetStatus(short token) => core.GetStatus(token);
        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            core.OnCompleted(continuation, state, token, flags);
    }
}
