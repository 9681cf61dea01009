using System.Collections.Concurrent;
using System.Text;

namespace Gpt35.Tokenization;

/// <summary>
/// A training that can be stopped and saved: first the words of the text are counted, on several threads and in memory that grows with the
/// number of distinct words only; then merges are learned from the counts. Learning takes seconds and is not saved half-way: it begins again.
/// </summary>
public sealed class BpeTraining
{
    private const string Magic = "gpt35 word counts 1";

    /// <summary>Documents are handed to the counting threads in batches of about so many characters.</summary>
    private const int BatchChars = 1 << 20;

    private readonly BpeTrainerOptions options;
    private WordCounter words;
    private long reported;

    /// <exception cref="InvalidDataException">The options cannot work; the message says why.</exception>
    public BpeTraining(BpeTrainerOptions options)
    {
        BpeTrainer.CheckOptions(options);
        this.options = options;
        words = new WordCounter(options.PreTokenizer);
    }

    /// <summary>Documents counted so far: where a resumed training goes on.</summary>
    public long Documents { get; private set; }

    /// <summary>Bytes of text counted so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Counts the words of more documents. When cancelled, all documents handed out so far are counted to their end.</summary>
    public void Count(IEnumerable<string> documents, CancellationToken cancel = default)
    {
        var threads = options.Threads > 0 ? options.Threads : Environment.ProcessorCount;
        using var batches = new BlockingCollection<List<string>>(2 * threads);
        var counters = Enumerable.Range(0, threads).Select(_ => new WordCounter(options.PreTokenizer)).ToArray();
        var workers = Array.ConvertAll(counters, counter => Task.Factory.StartNew(
            () => Work(counter, batches), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        try
        {
            HandOut(documents, batches, cancel);
        }
        finally
        {
            batches.CompleteAdding();
            Task.WaitAll(workers);
            foreach (var counter in counters) words.Add(counter);
        }
    }

    /// <summary>Learns the merges of the words counted.</summary>
    public Tokenizer Learn(CancellationToken cancel = default) => new(new MergeLearner(words, options).Learn(Bytes, cancel));

    /// <summary>Writes the counts to a file (temporary file, fsync, rename).</summary>
    /// <param name="file">The file.</param>
    /// <param name="inputs">What tells this training's text from any other, for <see cref="Load"/>.</param>
    public void Save(string file, string inputs) => WholeFile.Write(file, stream =>
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(Identity(inputs));
        writer.Write(Documents);
        writer.Write(Bytes);
        words.Write(writer);
        writer.Write(Magic);
    });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is none of these or is incomplete, or its text or pattern is another.</exception>
    public static BpeTraining Load(string file, string inputs, BpeTrainerOptions options)
    {
        var training = new BpeTraining(options);
        using var stream = File.OpenRead(file);
        using var reader = new BinaryReader(stream, Encoding.UTF8);
        try
        {
            if (reader.ReadString() != Magic) throw Broken(file);
            if (reader.ReadString() != training.Identity(inputs))
                throw new InvalidDataException($"{file}: found the counts of another training; expected the same files, unchanged, and the same --pattern. " +
                    "Repeat the command as it was, or delete the file and begin anew.");
            training.Documents = reader.ReadInt64();
            training.Bytes = reader.ReadInt64();
            training.words = WordCounter.Read(reader, options.PreTokenizer);
            return reader.ReadString() == Magic ? training : throw Broken(file);
        }
        catch (Exception e) when (e is EndOfStreamException or FormatException or ArgumentException or DecoderFallbackException)
        {
            throw Broken(file, e);
        }
    }

    private static InvalidDataException Broken(string file, Exception? cause = null) =>
        new($"{file}: found no complete word counts; expected those of a stopped training. Delete the file and begin anew.", cause);

    private string Identity(string inputs) => $"{options.PreTokenizer}\n{inputs}";

    private void HandOut(IEnumerable<string> documents, BlockingCollection<List<string>> batches, CancellationToken cancel)
    {
        var batch = new List<string>();
        var length = 0;
        try
        {
            foreach (var document in documents)
            {
                cancel.ThrowIfCancellationRequested();
                batch.Add(document);
                length += document.Length;
                Documents++;
                Bytes += Encoding.UTF8.GetByteCount(document);
                if (length < BatchChars) continue;
                batches.Add(batch, CancellationToken.None);
                (batch, length) = ([], 0);
                Report();
            }
        }
        finally
        {
            batches.Add(batch, CancellationToken.None);
        }
    }

    private void Report()
    {
        if (Bytes - reported < 1 << 20) return;
        options.Progress?.Report(new BpeTrainingProgress(Bytes, 0, options.VocabSize));
        reported = Bytes;
    }

    private static void Work(WordCounter counter, BlockingCollection<List<string>> batches)
    {
        foreach (var batch in batches.GetConsumingEnumerable())
            foreach (var document in batch)
                counter.AddText(document);
    }
}
