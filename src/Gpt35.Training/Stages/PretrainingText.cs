using Gpt35.Data;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>The text of a pre-training run, encoded from files or mapped from token shards; both give the same windows in the same order.</summary>
internal sealed class PretrainingText : IDisposable
{
    private readonly TokenShards?[] shards;

    private PretrainingText(TextWindows train, int trainDocuments, TextWindows heldout, params TokenShards?[] shards) =>
        (Train, TrainDocuments, Heldout, this.shards) = (train, trainDocuments, heldout, shards);

    public TextWindows Train { get; }

    public int TrainDocuments { get; }

    public TextWindows Heldout { get; }

    /// <summary>Hash of all documents where they lie in shards, which are mapped so that a start need not read them; null otherwise.</summary>
    public string? Hash { get; private init; }

    /// <param name="recipe">What to read.</param>
    /// <param name="tokenizer">Text to ids.</param>
    /// <param name="note">Is told what was passed over.</param>
    /// <param name="threads">Threads that encode.</param>
    /// <exception cref="InvalidDataException">Nothing is left to train on, or the shards do not fit the recipe.</exception>
    public static PretrainingText Read(PretrainRecipe recipe, Tokenizer tokenizer, Action<string> note, int threads)
    {
        var context = recipe.Model.ToConfig(tokenizer.VocabSize).MaxPositionEmbeddings;
        if (!AreShards("data.train", recipe.Data.Train))
        {
            // The held-out files are read on their own, because they may be shards.
            var heldoutShards = AreShards("data.heldout", recipe.Data.Heldout);
            if (heldoutShards) DataSplit.RequireOneWay(recipe.Data);
            var data = heldoutShards ? recipe.Data with { Heldout = [] } : recipe.Data;
            var documents = DataSplit.Read(data, path => RecordReader.ReadText(path, note), document => document);
            var order = RandomStreams.Permutation(documents.Train.Count, RandomStreams.Key(recipe.Seed, RandomStream.Documents));
            var train = TextWindows.Cut(order.Select(i => documents.Train[i]), tokenizer, context,
                fim: recipe.Fim is { } fim ? new FillInTheMiddle(fim.Rate, fim.SpmRate, RandomStreams.Key(recipe.Seed, RandomStream.FillInTheMiddle)) : null, threads: threads);
            if (!heldoutShards) return new PretrainingText(train, documents.Train.Count, TextWindows.Cut(documents.Heldout, tokenizer, context, recipe.HeldoutTokens, threads: threads));
            var held = TokenShards.Open(recipe.Data.Heldout, tokenizer);
            return new PretrainingText(train, documents.Train.Count, held.Cut(All(held), context, recipe.HeldoutTokens), held);
        }
        return FromShards(recipe, tokenizer, context, note, threads);
    }

    public void Dispose()
    {
        foreach (var mapped in shards) mapped?.Dispose();
    }

    private static PretrainingText FromShards(PretrainRecipe recipe, Tokenizer tokenizer, int context, Action<string> note, int threads)
    {
        DataSplit.RequireOneWay(recipe.Data);
        if (recipe.Fim is not null)
            throw new InvalidDataException($"{recipe.Data.Train[0]}: found token shards and fim in the recipe; filling in the middle rearranges text. Name the text files in data.train, or leave out fim.");
        TokenShards? train = null, heldout = null;
        try
        {
            train = TokenShards.Open(recipe.Data.Train, tokenizer);
            var fraction = recipe.Data.HeldoutFraction;
            var all = All(train);
            var kept = fraction > 0 ? [.. all.Where(document => !DataSplit.IsHeldOut(train.KeyOf(document), fraction))] : all;
            if (kept.Length == 0)
                throw new InvalidDataException($"{string.Join(", ", recipe.Data.Train)}: {train.Count} documents, of which none is left to train on after holding out {fraction:P0}. Lower data.heldout_fraction or add data.");
            var order = RandomStreams.Permutation(kept.Length, RandomStreams.Key(recipe.Seed, RandomStream.Documents));
            for (var i = 0; i < order.Length; i++) order[i] = kept[order[i]];
            var trainWindows = train.Cut(order, context);
            TextWindows heldoutWindows;
            if (recipe.Data.Heldout.Count > 0 && AreShards("data.heldout", recipe.Data.Heldout))
            {
                heldout = TokenShards.Open(recipe.Data.Heldout, tokenizer);
                heldoutWindows = heldout.Cut(All(heldout), context, recipe.HeldoutTokens);
            }
            else if (recipe.Data.Heldout.Count > 0)
                heldoutWindows = TextWindows.Cut(recipe.Data.Heldout.SelectMany(path => RecordReader.ReadText(path, note)), tokenizer, context, recipe.HeldoutTokens, threads: threads);
            else heldoutWindows = train.Cut([.. all.Where(document => DataSplit.IsHeldOut(train.KeyOf(document), fraction))], context, recipe.HeldoutTokens);
            return new PretrainingText(trainWindows, order.Length, heldoutWindows, train, heldout)
            {
                Hash = DataHash.Of(all.Select(train.KeyOf).Concat(heldout is null ? [] : All(heldout).Select(heldout.KeyOf))),
            };
        }
        catch
        {
            train?.Dispose();
            heldout?.Dispose();
            throw;
        }
    }

    private static int[] All(TokenShards shards) => [.. Enumerable.Range(0, shards.Count)];

    /// <exception cref="InvalidDataException">Some are folders of shards and some are not.</exception>
    private static bool AreShards(string key, IReadOnlyList<string> paths)
    {
        var folders = paths.Count(TokenShards.IsFolder);
        return folders == 0 || folders == paths.Count ? folders > 0 : throw new InvalidDataException(
            $"{key} names {folders} folders of token shards among {paths.Count} paths; expected only shards or only text files. Tokenize the others with 'gpt35 data tokenize'.");
    }
}
