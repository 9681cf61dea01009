using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Stage 2: imitation of demonstrations, with loss on the assistant's turns only (Ouyang et al. 2022, section 3.5).</summary>
public static class SupervisedFineTuning
{
    /// <summary>Fine-tunes the initial model as the recipe says and leaves everything in the run folder.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static StageSummary Run(SftRecipe recipe, StageContext context)
    {
        using var run = RunFolder.Open(context, "sft", recipe);
        using var start = Start(recipe, run, context.Pool);
        var (model, tokenizer) = (start.Model, start.Tokenizer);
        var format = ChatFormatFile.Find(recipe.ChatFormat);

        var data = DataSplit.Read(recipe.Data, path => RecordReader.ReadDemonstrations(path, context.Observer.Note), demonstration => DataSplit.KeyOf(PromptOf(demonstration)));
        var window = model.Config.MaxPositionEmbeddings;
        var train = Render(data.Train, format, tokenizer, window, "training", context.Observer.Note);
        var heldout = Render(data.Heldout, format, tokenizer, window, "held-out", context.Observer.Note);
        if (train.Count == 0)
            throw new InvalidDataException($"{string.Join(", ", recipe.Data.Train)}: none of the {data.Train.Count} demonstrations fits into the context of {window} tokens. Use shorter ones, or a model with a longer context.");
        var demonstrations = train.Count;
        if (recipe.TextMix is { } mix) train.AddRange(Text(mix, train.Sum(example => (long)example.Ids.Length), recipe.Seed, tokenizer, window, context.Observer.Note));
        var plan = BatchPlan.ForEpochs([.. train.Select(example => example.Ids.Length)], recipe.Batch, recipe.Epochs, recipe.Seed);
        using var trained = StageModels.On(recipe.Backend, recipe.Dtype, model, context.Pool, recipe.ActivationCheckpointing, context.Observer.Note);
        context.Observer.Started("sft", plan.StepCount, $"{StageModels.Size(model)}, {demonstrations:N0} demonstrations{(train.Count > demonstrations ? $", {train.Count - demonstrations:N0} pieces of text among them" : "")}, {heldout.Count:N0} held out.");

        var steps = new LanguageModelTraining
        {
            Run = run,
            Model = trained,
            Tokenizer = tokenizer,
            Card = StageModels.CardOf("sft", format, [recipe.Init], run),
            Train = train,
            Heldout = heldout,
            Plan = plan,
            MicroTokens = recipe.Batch.MicroTokens,
            Optimizer = recipe.Optimizer,
            Seed = recipe.Seed,
            Options = recipe,
        }.Go();

        run.Numbers["train_demonstrations"] = demonstrations;
        run.Numbers["heldout_demonstrations"] = heldout.Count;
        run.Numbers["dropped_demonstrations"] = data.Train.Count + data.Heldout.Count - demonstrations - heldout.Count;
        var shown = (heldout.Count > 0 ? data.Heldout : data.Train).Select(demonstration => demonstration.Origin.Blame(() => format.RenderPrompt(PromptOf(demonstration), tokenizer)));
        run.WriteSamples(Samples.Generate(model, tokenizer, [.. shown.Take(4 * Samples.Count)], new SamplingOptions
        {
            Temperature = 0,
            MaxTokens = window / 4,
            StopTokens = [format.EndOfTurn(tokenizer)],
        }));
        return run.Finish(steps, heldout.Count == 0
            ? $"Training loss {run.Numbers["train_loss"]:F3} nats per token at the last step; nothing was held out."
            : $"Held-out loss {run.Numbers["heldout_loss_before"]:F3} → {run.Numbers["heldout_loss_after"]:F3} nats per answer token.");
    }

    /// <summary>Documents in random order until they have the ratio's share of tokens; all of their tokens are trained on.</summary>
    internal static IEnumerable<TokenSequence> Text(TextMixOptions mix, long demonstrationTokens, ulong seed, Tokenizer tokenizer, int context, Action<string> note)
    {
        var documents = mix.Train.SelectMany(path => RecordReader.ReadText(path, note)).ToList();
        var order = RandomStreams.Permutation(documents.Count, RandomStreams.Key(seed, RandomStream.Documents));
        var wanted = (long)(mix.Ratio * demonstrationTokens);
        return wanted == 0 ? [] : TextWindows.Cut(order.Select(i => documents[i]), tokenizer, context, wanted).Windows;
    }

    /// <summary>
    /// Tokens and masks. A conversation longer than the context is cut after the last answer that fits; where not even the first does, it is left out,
    /// because half an answer without its end would teach not to stop.
    /// </summary>
    /// <exception cref="InvalidDataException">A conversation teaches nothing or has turns that the format cannot write; the message names its row.</exception>
    internal static List<TokenSequence> Render(
        IReadOnlyList<Demonstration> demonstrations, ChatFormat format, Tokenizer tokenizer, int context, string what, Action<string> note)
    {
        var kept = new List<TokenSequence>();
        var cut = 0;
        foreach (var demonstration in demonstrations)
        {
            var answers = demonstration.Messages.Index().Where(turn => turn.Item.Role == Role.Assistant).Select(turn => turn.Index).ToList();
            if (answers.Count == 0) demonstration.Origin.Blame(() => Trained(null));
            for (var last = answers.Count - 1; last >= 0; last--)
            {
                var length = answers[last] + 1;
                var sequence = demonstration.Origin.Blame(() => Trained(format.Render([.. demonstration.Messages.Take(length)], tokenizer)));
                if (sequence.Ids.Length > context) continue;
                kept.Add(sequence);
                if (last < answers.Count - 1) cut++;
                break;
            }
        }
        if (cut > 0) note($"{cut} {what} conversations are longer than {context} tokens; cut after the last answer that fits.");
        var dropped = demonstrations.Count - kept.Count;
        if (dropped > 0) note($"{dropped} of {demonstrations.Count} {what} demonstrations are longer than {context} tokens; left out.");
        return kept;
    }

    private static TokenSequence Trained(TokenSequence? rendered) => rendered is not null && LanguageModelTraining.TrainedTokens(rendered) > 0
        ? rendered
        : throw new InvalidDataException("found a conversation without an assistant turn, so none of its tokens would be trained on; expected at least one answer. Drop the row or add the answer.");

    /// <summary>The conversation before its last answer.</summary>
    internal static IReadOnlyList<Message> PromptOf(Demonstration demonstration)
    {
        var last = demonstration.Messages.ToList().FindLastIndex(message => message.Role == Role.Assistant);
        return last < 0 ? demonstration.Messages : [.. demonstration.Messages.Take(last)];
    }

    /// <summary>The checkpoint to go on from, or the initial model with the recipe's dropout; with lora an adapter over it.</summary>
    private static ModelFolder Start(SftRecipe recipe, RunFolder run, WorkerPool pool)
    {
        var folder = run.CheckpointFolder is { } checkpoint ? ModelFolder.Load(checkpoint, pool) : StageModels.LoadLanguageModel(recipe.Init, "init", pool);
        run.Context.Ranks.RequireSameModel(run.CheckpointFolder ?? recipe.Init, folder.Model);
        // A checkpoint of a whole model has the recipe's dropout in its configuration; one of an adapter has its base's.
        if (run.CheckpointFolder is not null && recipe.Lora is null) return folder;
        if (recipe is { Lora: null, ResidDropout: null } && folder.Model.Adapter is null) return folder;
        using (folder)
        {
            var model = recipe.Lora is { } lora
                ? folder.Model.Adapt(lora.ToConfig(folder.Model.Config), 0, recipe.Seed, Path.GetFullPath(recipe.Init), (float?)recipe.ResidDropout)
                : Copy(folder.Model, (float?)recipe.ResidDropout, recipe.Seed, pool);
            return new ModelFolder { Model = model, Tokenizer = folder.Tokenizer, Card = folder.Card };
        }
    }

    private static Decoder Copy(Decoder start, float? dropout, ulong seed, WorkerPool pool)
    {
        if (start.Adapter is null) return CopyWhole(start);
        using var merged = start.Merge();
        return CopyWhole(merged);

        Decoder CopyWhole(Decoder whole)
        {
            var model = Decoder.Create(whole.Config with { ResidDropout = dropout ?? whole.Config.ResidDropout }, seed, pool);
            model.Parameters.CopyFrom(whole.Parameters);
            return model;
        }
    }
}
