using System.CommandLine;
using Gpt35.Cli.Terminal;
using Gpt35.Data;
using Gpt35.Data.TinyWorld;
using Gpt35.Inference;
using Gpt35.Model;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 label simulate MODEL</c>: a model answers each prompt K times, and simulated labellers rank the answers.</summary>
internal static class LabelVerb
{
    public static Command Create(Session session) => new("label", "Rank answers of a model.") { Simulate(session) };

    private static Command Simulate(Session session)
    {
        var model = new Argument<string>("model") { Description = "Chat model whose answers are ranked." };
        var prompts = new Option<string>("--prompts") { Description = "TinyWorld prompts, as 'data synth' writes them.", Required = true };
        var output = new Option<string>("--out") { Description = "Rankings, JSONL.", Required = true };
        var k = new Option<int>("--k") { Description = "Answers per prompt, sampled at temperature 1." }.WithDefault(4).Between(2, 32);
        var opinions = new Option<int>("--rankings") { Description = "Rankings of each prompt's answers, every one by another labeller." }.WithDefault(1).Between(1, Campaign.Labellers);
        var limit = new Option<int?>("--limit") { Description = "Rank the first so many prompts only." }.AtLeast(1);
        var maxTokens = new Option<int>("--max-tokens") { Description = "Longest answer; one that is cut off is not ranked." }.WithDefault(64).AtLeast(1);
        var noiseFree = new Option<bool>("--noise-free") { Description = "Rank by the oracle itself, for measuring." };
        var seed = new Option<ulong>("--seed") { Description = "Seed of the answers and of the labellers." }.WithDefault(1UL).AtLeast(0UL);
        var command = new Command("simulate", "Sample K answers to every prompt and let simulated labellers rank them.")
        {
            model, prompts, output, k, opinions, limit, maxTokens, noiseFree, seed,
        };
        command.SetAction(parsed =>
        {
            var target = OutputFile.RequireNew(parsed.GetRequiredValue(output));
            var asked = TinyWorldFiles.ReadPrompts(parsed.GetRequiredValue(prompts)).Take(parsed.GetValue(limit) ?? int.MaxValue).ToList();
            using var pool = Session.OpenPool(parsed);
            var path = parsed.GetRequiredValue(model);
            using var folder = Models.OpenLanguageModel(path, pool);
            var campaign = new Campaign(folder, Models.RequireChatFormat(folder, path), parsed.GetValue(k), parsed.GetValue(opinions), parsed.GetValue(maxTokens), parsed.GetValue(noiseFree), parsed.GetValue(seed));
            var rankings = RunDisplay.Show(session, parsed, json: false, observer => campaign.Run(asked, observer, session));
            if (rankings.Count == 0)
                throw new InvalidDataException($"None of the {asked.Count} prompts got two whole answers of which one is better. The model may not have learned to end an answer; raise --max-tokens or fine-tune longer.");
            JsonlWriter.WriteRankings(target, rankings);
            session.Say(parsed, $"{rankings.Count} rankings of {campaign.Ranked} prompts; {asked.Count - campaign.Ranked} prompts got no two answers to tell apart.");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>One round of labelling.</summary>
    private sealed class Campaign(ModelFolder folder, ChatFormat format, int k, int opinions, int maxTokens, bool noiseFree, ulong seed)
    {
        /// <summary>InstructGPT hired about 40 (Ouyang et al. 2022, section 3.4).</summary>
        public const int Labellers = 40;

        /// <summary>Prompts answered together: enough to keep the engine's slots full, few enough to show progress.</summary>
        private const int PromptsPerRound = 64;

        private readonly SimulatedLabeller labeller = new();
        private readonly InferenceEngine engine = new(folder.Model);

        /// <summary>Prompts with at least one ranking.</summary>
        public int Ranked { get; private set; }

        public List<Ranking> Run(IReadOnlyList<TinyWorldPrompt> prompts, IRunObserver observer, Session session)
        {
            var context = folder.Model.Config.MaxPositionEmbeddings;
            var rendered = prompts.Select((prompt, i) => (Prompt: prompt, Ids: format.RenderPrompt(prompt.Messages, folder.Tokenizer), Index: i))
                .Where(p => p.Ids.Length + maxTokens <= context).ToList();
            observer.Started("label", rendered.Count, $"{rendered.Count} prompts, {k} answers each, ranked by {(noiseFree ? "the oracle" : $"{Labellers} simulated labellers")}");
            if (rendered.Count < prompts.Count) observer.Note($"{prompts.Count - rendered.Count} prompts leave no room for {maxTokens} tokens in a context of {context} and are left out.");

            var rankings = new List<Ranking>();
            var (start, done, answers) = (session.Time.GetTimestamp(), 0, 0);
            foreach (var round in rendered.Chunk(PromptsPerRound))
            {
                var completions = engine.Generate([.. round.SelectMany(p => Enumerable.Repeat(p.Ids, k))], Sampling(done), session.Cancel);
                for (var i = 0; i < round.Length; i++)
                    Rank(round[i].Prompt, round[i].Index, completions.AsSpan(i * k, k), rankings);
                done += round.Length;
                answers += completions.Length;
                observer.Step(done, new Dictionary<string, double> { ["answers_per_second"] = answers / session.Time.GetElapsedTime(start).TotalSeconds });
            }
            return rankings;
        }

        /// <summary>Every round draws from streams of its own; the factor (2⁶⁴ / golden ratio) spreads neighbours over all seeds.</summary>
        private SamplingOptions Sampling(int firstPrompt) => new()
        {
            MaxTokens = maxTokens,
            StopTokens = [format.EndOfTurn(folder.Tokenizer)],
            Seed = seed ^ (ulong)(firstPrompt + 1) * 0x9E3779B97F4A7C15UL,
        };

        /// <summary>Nothing is ranked where no answer is better than another, or only one is whole: a reward model reads whole answers, and what was cut off is none.</summary>
        private void Rank(TinyWorldPrompt prompt, int index, ReadOnlySpan<Completion> completions, List<Ranking> rankings)
        {
            var texts = new List<string>();
            foreach (var completion in completions)
                if (completion.Finish == FinishReason.Stop) texts.Add(format.ReadCompletion(completion.Tokens, folder.Tokenizer));
            var before = rankings.Count;
            for (var opinion = 0; opinion < (noiseFree ? 1 : opinions); opinion++)
            {
                var ranks = noiseFree ? OracleRanks(prompt, texts) : labeller.Rank(prompt, texts, (index + opinion) % Labellers, seed);
                if (ranks.Distinct().Count() > 1) rankings.Add(new Ranking(prompt.Messages, texts, ranks));
            }
            if (rankings.Count > before) Ranked++;
        }

        /// <summary>Equal scores share a rank.</summary>
        private static int[] OracleRanks(TinyWorldPrompt prompt, List<string> texts)
        {
            double[] totals = [.. texts.Select(text => Oracle.Score(prompt, text).Total)];
            return [.. totals.Select(total => 1 + totals.Count(other => other > total + 1e-9))];
        }
    }
}
