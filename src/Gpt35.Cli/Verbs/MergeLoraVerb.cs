using System.CommandLine;
using System.Globalization;
using Gpt35.Model;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 merge-lora BASE ADAPTER OUT</c>: an adapter worked into the weights of its base.</summary>
internal static class MergeLoraVerb
{
    public static Command Create(Session session)
    {
        var original = new Argument<string>("base") { Description = "Model that the adapter was trained over: its folder, or a run folder." };
        var trained = new Argument<string>("adapter") { Description = "Adapter: its folder, or the run folder of a stage with lora." };
        var output = new Argument<string>("out") { Description = "Folder to write the whole model into." };
        var command = new Command("merge-lora", "Make a whole model of a base and an adapter.") { original, trained, output };
        command.SetAction(parsed =>
        {
            var target = OutputFolder.RequireEmpty(parsed.GetRequiredValue(output), "Choose another OUT, or delete it first.");
            var (basePath, adapterPath) = (Models.Find(parsed.GetRequiredValue(original)), Models.Find(parsed.GetRequiredValue(trained)));
            if (AdapterFolder.IsOne(basePath)) throw new UsageException($"{basePath} is an adapter; BASE is a whole model. The order is 'gpt35 merge-lora BASE ADAPTER OUT'.");
            if (!AdapterFolder.IsOne(adapterPath)) throw new UsageException($"{adapterPath} is a whole model, not an adapter (it has no adapter_config.json); there is nothing to merge.");
            using var pool = Session.OpenPool(parsed);
            using var folder = ModelFolder.Load(basePath, pool);
            var card = AdapterFolder.CardOf(adapterPath, basePath);
            using var adapted = folder.Model.WithAdapter(AdapterFolder.Load(adapterPath, folder.Model.Config, basePath));
            using var merged = adapted.Merge();
            ModelFolder.Save(target, merged, folder.Tokenizer, card with { Parents = [.. card.Parents, adapterPath] });
            session.Say(parsed, string.Create(CultureInfo.InvariantCulture, $"{target}: {merged.Parameters.Count:N0} parameters, {adapted.Parameters.Count:N0} of them from the adapter"));
            return ExitCode.Done;
        });
        return command;
    }
}
