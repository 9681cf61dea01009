using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Training;

/// <summary>Stage 1: next-token prediction on text, from random weights (Brown et al. 2020).</summary>
public static class Pretraining
{
    /// <summary>Trains a model as the recipe says and leaves everything in the run folder.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public static StageSummary Run(PretrainRecipe recipe, StageContext context)
    {
        using var run = RunFolder.Open(context, "pretrain", recipe);
        var tokenizer = Tokenizer.Load(recipe.Tokenizer);
        var config = recipe.Model.ToConfig(tokenizer.VocabSize);
        config.Validate();

        using var text = PretrainingText.Read(recipe, tokenizer, context.Observer.Note, context.Pool.Threads);
        var (train, heldout) = (text.Train, text.Heldout);
        var plan = BatchPlan.ForSteps(train.Lengths, recipe.Batch, recipe.Steps, recipe.Seed);

        using var model = run.CheckpointFolder is { } checkpoint
            ? ModelFolder.Load(checkpoint, context.Pool).Model
            : Decoder.Create(config, RandomStreams.Key(recipe.Seed, RandomStream.Initialization), context.Pool);
        using var trained = StageModels.On(recipe.Backend, recipe.Dtype, model, context.Pool, recipe.ActivationCheckpointing, context.Observer.Note);
        context.Observer.Started("pretrain", plan.StepCount,
            $"{model.Parameters.Count:N0} parameters, {text.TrainDocuments:N0} documents with {train.Tokens:N0} tokens; {heldout.Tokens:N0} tokens held out.");

        var steps = new LanguageModelTraining
        {
            Run = run,
            Model = trained,
            Tokenizer = tokenizer,
            Card = new ModelCard { Stage = "pretrain", RecipeHash = run.RecipeHash },
            Train = train.Windows,
            Heldout = heldout.Windows,
            Plan = plan,
            Data = text.Hash,
            MicroTokens = recipe.Batch.MicroTokens,
            Optimizer = recipe.Optimizer,
            Seed = recipe.Seed,
            Options = recipe,
        }.Go();

        run.Numbers["parameters"] = model.Parameters.Count;
        run.Numbers["train_documents"] = text.TrainDocuments;
        run.Numbers["train_tokens_available"] = train.Tokens;
        if (heldout.Tokens > 0)
        {
            run.Numbers["heldout_tokens"] = heldout.Tokens;
            run.Numbers["heldout_bytes"] = heldout.Bytes;
            run.Numbers["heldout_perplexity"] = Math.Exp(run.Numbers["heldout_loss_after"]);
            run.Numbers["heldout_bits_per_byte_before"] = BitsPerByte(run.Numbers["heldout_loss_before"], heldout);
            run.Numbers["heldout_bits_per_byte_after"] = BitsPerByte(run.Numbers["heldout_loss_after"], heldout);
        }
        run.WriteSamples(Samples.Generate(model, tokenizer, [.. Enumerable.Repeat(new[] { tokenizer.EndOfText }, Samples.Count)], new SamplingOptions
        {
            Temperature = 0.8,
            MaxTokens = Math.Min(200, config.MaxPositionEmbeddings - 1),
            StopTokens = [tokenizer.EndOfText],
            Seed = RandomStreams.Key(recipe.Seed, RandomStream.Samples),
        }));
        return run.Finish(steps, heldout.Tokens == 0
            ? $"Training loss {run.Numbers["train_loss"]:F3} nats per token at the last step; nothing was held out."
            : $"Held-out loss {run.Numbers["heldout_loss_before"]:F3} → {run.Numbers["heldout_loss_after"]:F3} nats per token, {run.Numbers["heldout_bits_per_byte_after"]:F3} bits per byte.");
    }

    /// <summary>
    /// Bits the model needs per byte of held-out text: comparable between tokenizers, unlike the loss per token. Every token of the stream is
    /// counted, the ends of documents too, over the exact number of UTF-8 bytes.
    /// </summary>
    private static double BitsPerByte(double natsPerToken, TextWindows text) => natsPerToken * text.Tokens / (Math.Log(2) * text.Bytes);
}
