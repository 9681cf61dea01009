using System.Runtime.InteropServices;

namespace Gpt35.Tokenization;

/// <summary>
/// The merges of a counted corpus. Pair counts are kept up to date at the places a merge touches, so all work is proportional to the
/// number of places, whatever the length of the words.
/// </summary>
internal sealed class MergeLearner
{
    private const int Border = -1, Inside = -2;

    private readonly BpeTrainerOptions options;
    private readonly HashSet<string> reservedSpellings;
    private readonly List<string> spellings = [];                           // of each token, by id
    private readonly Dictionary<string, int> idOf = new(StringComparer.Ordinal);
    private readonly List<Merge> merges = [];

    // All distinct words end to end. A token's id stands on its first and on its last byte, so both neighbours are found from its
    // length alone; the bytes between hold Inside, and a Border stands before and after every word.
    private readonly int[] symbols;
    private readonly int[] wordAt;                                          // number of the word around each place
    private readonly long[] occurrences;                                    // by word

    private readonly PairMap pairIndex = new(1 << 14);
    private readonly PriorityQueue<int, Candidate> queue = new();
    private readonly List<int> touched = [];                                // pairs that became more frequent in this step
    private Pair[] pairs = new Pair[1 << 12];
    private int pairCount;
    private int step = 1;                                                   // 1 while counting, then one for every merge

    private struct Pair
    {
        public int Left, Right;
        /// <summary>Number of neighbours (Left, Right) in the corpus, overlapping ones included.</summary>
        public long Count;
        /// <summary>Where Left begins; may hold places whose pair is gone since.</summary>
        public List<int>? Places;
        /// <summary>The last step that put this pair into the list of touched ones.</summary>
        public int TouchedIn;
        public bool IsMerge;
    }

    /// <summary>A pair and the count it had when queued. The most frequent comes first, then the smallest ids.</summary>
    private readonly record struct Candidate(long Count, int Left, int Right) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) =>
            Count != other.Count ? other.Count.CompareTo(Count)
            : Left != other.Left ? Left.CompareTo(other.Left)
            : Right.CompareTo(other.Right);
    }

    public MergeLearner(WordCounter words, BpeTrainerOptions options)
    {
        this.options = options;
        reservedSpellings = [.. options.SpecialTokens];
        var byteIds = new int[256];
        foreach (var value in ByteAlphabet.InOrder) byteIds[value] = IdOf(ByteAlphabet.CharOf(value).ToString());

        symbols = new int[checked(words.TotalBytes + words.Count + 1)];
        wordAt = new int[symbols.Length];
        occurrences = new long[words.Count];
        var place = 0;
        symbols[place++] = Border;
        for (var word = 0; word < words.Count; word++)
        {
            occurrences[word] = words.Occurrences(word);
            foreach (var value in words.Word(word))
            {
                wordAt[place] = word;
                symbols[place++] = byteIds[value];
            }
            symbols[place++] = Border;
        }
    }

    public Vocabulary Learn(long bytes, CancellationToken cancel)
    {
        for (var place = 1; place + 1 < symbols.Length; place++)
            if (symbols[place] >= 0 && symbols[place + 1] >= 0)
                Appear(symbols[place], symbols[place + 1], place, occurrences[wordAt[place]]);
        QueueTouched();

        var wanted = options.VocabSize - options.SpecialTokens.Count;
        while (spellings.Count < wanted && queue.TryDequeue(out var index, out var candidate))
        {
            cancel.ThrowIfCancellationRequested();
            if (pairs[index].Count != candidate.Count)
            {
                Enqueue(index);                                             // less frequent by now: try again further down
                continue;
            }
            Merge(index);
            if (merges.Count % 128 == 0) Report(bytes);
        }
        Report(bytes);
        return ToVocabulary();
    }

    private void Report(long bytes) =>
        options.Progress?.Report(new BpeTrainingProgress(bytes, spellings.Count + options.SpecialTokens.Count, options.VocabSize));

    private Vocabulary ToVocabulary()
    {
        var bySpecialName = options.SpecialTokens.Select((name, i) => KeyValuePair.Create(name, spellings.Count + i));
        return new Vocabulary([.. spellings, .. options.SpecialTokens.Select(_ => (string?)null)], merges, bySpecialName) { PreTokenizer = options.PreTokenizer };
    }

    private int IdOf(string spelling)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(idOf, spelling, out var exists);
        if (exists) return id;
        id = spellings.Count;
        spellings.Add(spelling);
        return id;
    }

    private void Merge(int index)
    {
        var (left, right, places) = (pairs[index].Left, pairs[index].Right, pairs[index].Places);
        var spelling = spellings[left] + spellings[right];
        if (places is null || reservedSpellings.Contains(spelling)) return;

        // Two pairs can spell one token, (a, aa) and (aa, a); the second merge then leads to the id of the first. That can also bring
        // back a pair that is a merge already: it is applied again, not listed again.
        var result = IdOf(spelling);
        if (!pairs[index].IsMerge) merges.Add(new Merge(left, right, result));
        pairs[index].IsMerge = true;
        pairs[index].Places = null;
        if (left == right) places.Sort();                                   // aaa is (aa)a: overlapping places count from the left
        foreach (var place in places) MergeAt(place, left, right, result);
        QueueTouched();
    }

    private void MergeAt(int place, int left, int right, int result)
    {
        var middle = place + spellings[left].Length;
        if (symbols[place] != left || symbols[middle] != right) return;      // merged otherwise since the place was noted
        var end = middle + spellings[right].Length;
        var weight = occurrences[wordAt[place]];
        var before = symbols[place - 1];
        var after = symbols[end];

        Vanish(left, right, weight);
        symbols[middle - 1] = symbols[middle] = Inside;
        symbols[place] = symbols[end - 1] = result;
        if (before >= 0)
        {
            Vanish(before, left, weight);
            Appear(before, result, place - spellings[before].Length, weight);
        }
        if (after >= 0)
        {
            Vanish(right, after, weight);
            Appear(result, after, place, weight);
        }
    }

    private void Vanish(int left, int right, long weight) => pairs[pairIndex[left, right]].Count -= weight;

    private void Appear(int left, int right, int place, long weight)
    {
        ref var index = ref pairIndex.GetOrAdd(left, right);
        if (index == PairMap.NotFound)
        {
            index = pairCount++;
            if (index == pairs.Length) Array.Resize(ref pairs, checked(2 * pairs.Length));
            pairs[index] = new Pair { Left = left, Right = right };
        }
        ref var pair = ref pairs[index];
        pair.Count += weight;
        (pair.Places ??= []).Add(place);
        if (pair.TouchedIn == step) return;
        pair.TouchedIn = step;
        touched.Add(index);
    }

    private void QueueTouched()
    {
        foreach (var index in touched) Enqueue(index);
        touched.Clear();
        step++;
    }

    private void Enqueue(int index)
    {
        ref var pair = ref pairs[index];
        if (pair.Count >= options.MinFrequency) queue.Enqueue(index, new Candidate(pair.Count, pair.Left, pair.Right));
    }
}
