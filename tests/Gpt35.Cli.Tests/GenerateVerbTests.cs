using Gpt35.Data;
using Gpt35.Inference;
using Gpt35.Kernels;
using Gpt35.Model;
using Gpt35.Tokenization;

namespace Gpt35.Cli.Tests;

public sealed class GenerateVerbTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>A model that knows nothing, with a tokenizer of the given special tokens.</summary>
    private string Model(ChatFormat? format, params string[] special)
    {
        var tokenizer = BpeTrainer.Train(["some text"], new BpeTrainerOptions { VocabSize = 270, SpecialTokens = [SpecialTokens.EndOfText, .. special] }, TestContext.Current.CancellationToken);
        var config = new ModelConfig { VocabSize = tokenizer.VocabSize, HiddenSize = 8, NumHiddenLayers = 1, NumAttentionHeads = 1, MaxPositionEmbeddings = 64, IntermediateSize = 8, InitializerRange = 0.1f };
        using var model = Decoder.Create(config, 1, WorkerPool.Shared);
        ModelFolder.Save(folder["model"], model, tokenizer, new ModelCard { Stage = "sft", ChatFormat = format?.Name, ChatTemplate = format?.Definition, EndOfTurn = format?.End });
        return folder["model"];
    }

    [Fact]
    public void With_a_suffix_the_whole_text_is_printed_with_its_gap_filled()
    {
        using var terminal = new Terminal();
        var model = Model(null, SpecialTokens.FimPrefix, SpecialTokens.FimMiddle, SpecialTokens.FimSuffix);
        Assert.Equal(0, terminal.Run("generate", model, "once", "--suffix", "the end", "--max-tokens", "5", "--seed", "1"));
        Assert.StartsWith("once", terminal.Out);
        Assert.EndsWith("the end", terminal.Out.TrimEnd('\n', '\r'));
    }

    [Fact]
    public void A_suffix_for_a_tokenizer_that_cannot_say_so_is_refused()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", Model(null), "once", "--suffix", "the end"));
        Assert.Contains("<|fim_prefix|>", terminal.Error);
    }

    [Fact]
    public void A_prompt_that_fills_the_context_is_refused()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", Model(null), new string('q', 80)));
        Assert.Contains("81 tokens and the model's context holds 64", terminal.Error);
    }

    [Fact]
    public void A_model_folder_with_a_format_of_its_own_says_where_an_answer_ends_and_is_chatted_with()
    {
        var format = ChatFormat.Define(new ChatTemplate { Name = "own", User = new() { Prefix = "Q: " }, Assistant = new() { Lead = " ", End = "</s>" } });
        var model = Model(format, "</s>");
        using (var loaded = ModelFolder.Load(model, WorkerPool.Shared))
        {
            Assert.Equal(format.Definition!.Value.GetRawText(), ChatFormat.Stored(loaded.Card.ChatFormat, loaded.Card.ChatTemplate)!.Definition!.Value.GetRawText());
            Assert.Contains($"\"eos_token_id\": {loaded.Tokenizer.SpecialTokens["</s>"]}", File.ReadAllText(Path.Combine(model, "generation_config.json")));
        }
        using var terminal = new Terminal("hello\nagain\n");
        Assert.Equal(0, terminal.Run("chat", model, "--max-tokens", "4", "-q"));
        Assert.Empty(terminal.Error);
        Assert.Equal(0, terminal.Run("generate", model, "hello", "--max-tokens", "4"));
    }

    [Theory]
    [InlineData("f32", "f32 weights, ")]
    [InlineData("bf16", "bf16 weights, ")]
    [InlineData("int8", "int8 weights, ")]
    [InlineData("int4", "int4 weights, ")]
    public void Text_comes_from_weights_of_any_precision_and_the_kernel_is_named_beside_it(string dtype, string announcement)
    {
        using var terminal = new Terminal();
        var model = Model(null);
        Assert.Equal(0, terminal.Run("generate", model, "once", "--dtype", dtype, "--max-tokens", "5", "--seed", "1"));
        Assert.StartsWith("once", terminal.Out);
        Assert.StartsWith(announcement, terminal.Error);
        Assert.Contains(DotTiers.KernelName(Enum.Parse<WeightPrecision>(dtype, ignoreCase: true)), terminal.Error);
        using var quiet = new Terminal();
        Assert.Equal(0, quiet.Run("generate", model, "once", "--dtype", dtype, "--max-tokens", "5", "--seed", "1", "-q"));
        Assert.Empty(quiet.Error);
        Assert.Equal(terminal.Out, quiet.Out);
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("int8")]
    [InlineData("int4")]
    public void An_adapter_goes_over_a_base_of_any_precision(string dtype)
    {
        var model = Model(null);
        var adapter = Adapter(model, "adapter", 0.5f);
        string Written(params string[] arguments)
        {
            using var terminal = new Terminal();
            Assert.Equal(0, terminal.Run([.. arguments, "-q", "--max-tokens", "9", "--seed", "1"]));
            Assert.Empty(terminal.Error);
            return terminal.Out;
        }
        var plain = Written("generate", model, "once", "--dtype", dtype);
        Assert.Equal(plain, Written("generate", model, "once", "--dtype", dtype, "--adapter", Adapter(model, "nothing", 0)));
        var adapted = Written("generate", model, "once", "--dtype", dtype, "--adapter", adapter);
        Assert.NotEqual(plain, adapted);
        if (dtype == "f32") Assert.Equal(adapted, Written("generate", adapter, "once"));
    }

    [Fact]
    public void An_adapter_can_make_a_base_a_chat_model_and_another_base_is_told()
    {
        var model = Model(null, "<|im_start|>", "<|im_end|>");
        var adapter = Adapter(model, "adapter", 0.5f, ChatFormat.ChatMl);
        using (var terminal = new Terminal("hello\n"))
        {
            Assert.Equal(0, terminal.Run("chat", model, "--adapter", adapter, "--dtype", "bf16", "--max-tokens", "4"));
            Assert.StartsWith("bf16 weights, ", terminal.Error);
            Assert.DoesNotContain("as its base", terminal.Error);
        }
        Directory.Move(model, folder["moved"]);
        Directory.CreateDirectory(model);
        using var other = new Terminal();
        Assert.Equal(0, other.Run("generate", folder["moved"], "once", "--adapter", adapter, "--max-tokens", "4"));
        Assert.Contains($"names {model} as its base, not {folder["moved"]}", other.Error);
    }

    [Fact]
    public void An_adapter_in_the_wrong_place_is_refused_with_the_right_one()
    {
        var model = Model(null);
        var adapter = Adapter(model, "adapter", 0.5f);
        (string[] Arguments, string Message)[] cases =
        [
            ([adapter, "--adapter", adapter], "is an adapter itself"),
            ([model, "--adapter", model], "not an adapter"),
            ([model, "--adapter", folder["none"]], "no such folder. Expected an adapter's folder"),
            ([model, "--adapter", Adapter(model, "judge", 0.5f, scalars: 1)], "gives scores, not text"),
        ];
        foreach (var (arguments, message) in cases)
        {
            using var terminal = new Terminal();
            Assert.Equal(2, terminal.Run(["generate", arguments[0], "x", .. arguments[1..]]));
            Assert.Contains(message, terminal.Error);
        }
    }

    /// <summary>An adapter over a model: all its values random of that size, or, of size 0, one that changes nothing.</summary>
    private string Adapter(string model, string name, float size, ChatFormat? format = null, int scalars = 0)
    {
        using var original = ModelFolder.Load(model, WorkerPool.Shared);
        using var adapted = original.Model.Adapt(new LoraConfig { Rank = 2, Alpha = 4, Targets = [LoraTarget.CAttn, LoraTarget.Up, LoraTarget.Down] }, scalars, seed: 1, model);
        var values = adapted.Parameters.Values;
        for (var i = 0; i < values.Length && size > 0; i++) values[i] = size * CounterRandom.Normal(2, (ulong)i);
        ModelFolder.Save(folder[name], adapted, original.Tokenizer, new ModelCard { Stage = scalars > 0 ? "reward" : "sft", ChatFormat = format?.Name, EndOfTurn = format?.End });
        return folder[name];
    }

    [Fact]
    public void Guessing_ahead_changes_no_text()
    {
        var model = Model(null);
        string Written(params string[] more)
        {
            using var terminal = new Terminal();
            Assert.Equal(0, terminal.Run(["generate", model, "once", "-q", "--max-tokens", "20", "--seed", "1", .. more]));
            return terminal.Out;
        }
        var plain = Written();
        Assert.Equal(plain, Written("--lookup"));
        Assert.Equal(plain, Written("--draft", model));
        Assert.Equal(Written("-n", "3"), Written("-n", "3", "--draft", model));
        foreach (var (arguments, message) in (IEnumerable<(string[], string)>)[(["--draft", model, "--lookup"], "expected one of them"), (["--draft", folder["none"]], "no such folder")])
        {
            using var terminal = new Terminal();
            Assert.Equal(2, terminal.Run(["generate", model, "once", .. arguments]));
            Assert.Contains(message, terminal.Error);
        }
    }

    [Fact]
    public void Keys_and_values_are_held_as_asked_for()
    {
        var model = Model(null);
        foreach (var (cache, precision) in (IEnumerable<(string, KvPrecision)>)[("f32", KvPrecision.F32), ("bf16", KvPrecision.BF16), ("int8", KvPrecision.Int8)])
        {
            using var terminal = new Terminal();
            Assert.Equal(0, terminal.Run("generate", model, "once", "--kv-cache", cache, "--max-tokens", "20", "--seed", "1"));
            using var loaded = ModelFolder.Load(model, WorkerPool.Shared);
            using var engine = Models.EngineOf(loaded, precision);
            int[] prompt = [loaded.Tokenizer.StartOfText, .. loaded.Tokenizer.Encode("once")];
            var options = new SamplingOptions { MaxTokens = 20, Seed = 1, StopTokens = [loaded.Tokenizer.EndOfText] };
            Assert.Equal("once" + engine.Generate([prompt], options, TestContext.Current.CancellationToken)[0].Text + Environment.NewLine, terminal.Out);
        }
        using var wrong = new Terminal();
        Assert.Equal(2, wrong.Run("generate", model, "once", "--kv-cache", "int4"));
        Assert.Contains("bf16", wrong.Error);
    }

    [Fact]
    public void A_precision_that_does_not_exist_is_refused_with_those_that_do()
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", Model(null), "once", "--dtype", "int2"));
        Assert.Contains("--dtype is 'int2'; expected f32, bf16, int8 or int4.", terminal.Error);
    }

    [Fact]
    public void Bench_measures_a_model_in_every_precision_and_refuses_what_it_cannot_find()
    {
        using var terminal = new Terminal();
        Assert.Equal(0, terminal.Run("bench", Model(null), "--rounds", "1", "--json"));
        var rows = terminal.Out.Trim().Split('\n').Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(["f32", "bf16", "int8", "int4"], rows.Select(row => row.GetProperty("dtype").GetString()));
        Assert.All(rows, row => Assert.True(row.GetProperty("prefill").GetDouble() > 0 && row.GetProperty("decode").GetProperty("32").GetDouble() > 0));
        Assert.All(rows, row => Assert.NotEqual("", row.GetProperty("kernel").GetString()));
        using var table = new Terminal();
        Assert.Equal(0, table.Run("bench", folder["model"], "--rounds", "1", "--dtype", "int8"));
        Assert.Contains("int8 dot products", table.Out);
        Assert.All(table.Out.Split('\n'), line => Assert.InRange(line.Length, 0, 79));
        using var wrong = new Terminal();
        Assert.Equal(2, wrong.Run("bench", "gpt2-124"));
        Assert.Contains("gpt2-124m", wrong.Error);
    }

    [Fact]
    public void Several_texts_are_those_of_their_seeds_streams_and_the_best_are_the_likeliest()
    {
        var model = Model(null);
        string[] Written(params string[] arguments)
        {
            using var terminal = new Terminal();
            Assert.Equal(0, terminal.Run(["generate", model, "x", "--max-tokens", "6", "--seed", "3", .. arguments]));
            return terminal.Out.TrimEnd().Split(Environment.NewLine);
        }
        using var loaded = ModelFolder.Load(model, WorkerPool.Shared);
        int[] prompt = [loaded.Tokenizer.StartOfText, .. loaded.Tokenizer.Encode("x")];
        var options = new SamplingOptions { MaxTokens = 6, Seed = 3, StopTokens = [loaded.Tokenizer.EndOfText] };
        var all = new InferenceEngine(loaded.Model, 5, loaded.Tokenizer).Generate([.. Enumerable.Range(0, 5).Select(i => new GenerationRequest(prompt, options, i))], TestContext.Current.CancellationToken);
        Assert.DoesNotContain(all, completion => completion.Text!.Contains('\n'));
        Assert.Equal(["x" + all[0].Text], Written());
        Assert.Equal(["--- 1 of 3", "x" + all[0].Text, "--- 2 of 3", "x" + all[1].Text, "--- 3 of 3", "x" + all[2].Text], Written("-n", "3"));
        Assert.Equal(["x" + all[0].Text, "x" + all[1].Text], Written("-n", "2", "-q"));
        var byMean = all.OrderByDescending(completion => completion.LogProbs.Average()).ToList();
        Assert.Equal(["x" + byMean[0].Text], Written("--best-of", "5"));
        Assert.Equal(["--- 1 of 2", "x" + byMean[0].Text, "--- 2 of 2", "x" + byMean[1].Text], Written("-n", "2", "--best-of", "5"));
    }

    [Fact]
    public void Biases_of_tokens_are_named_by_text_or_id_and_change_what_is_written()
    {
        var model = Model(null);
        string Written(string verb, params string[] arguments)
        {
            using var terminal = new Terminal("x\n");
            Assert.Equal(0, terminal.Run([verb, model, .. verb == "generate" ? ["x"] : Array.Empty<string>(), "-q", "--greedy", "--max-tokens", "5", .. arguments]));
            return terminal.Out.TrimEnd();
        }
        Assert.Equal("xqqqqq", Written("generate", "--logit-bias", "q=100"));
        Assert.Equal("x=====", Written("generate", "--logit-bias", "==1e2"));
        int id;
        using (var loaded = ModelFolder.Load(model, WorkerPool.Shared)) id = loaded.Tokenizer.Encode("z")[0];
        Assert.Equal("xzzzzz", Written("generate", "--logit-bias", "q=99.5", "--logit-bias", $"{id}=100"));
        Assert.Equal("x", Written("generate", "--logit-bias", "<|endoftext|>=100"));
        Directory.Delete(model, recursive: true);
        model = Model(ChatFormat.ChatMl, "<|im_start|>", "<|im_end|>");
        Assert.Equal("qqqqq", Written("chat", "--logit-bias", "q=100"));
    }

    [Theory]
    [InlineData("q", "expected a token, '=' and a number")]
    [InlineData("=5", "expected a token, '=' and a number")]
    [InlineData("q=", "'' is no number from -100 to 100")]
    [InlineData("q=101", "'101' is no number from -100 to 100")]
    [InlineData("q=NaN", "'NaN' is no number from -100 to 100")]
    [InlineData("qz=1", "'qz' is 2 tokens (\"q\" = ")]
    [InlineData("9999=1", "there is no token 9999; the model's ids run from 0 to ")]
    [InlineData("99999999999=1", "there is no token 99999999999")]
    public void A_bias_that_means_nothing_is_refused_with_what_was_expected(string bias, string message)
    {
        using var terminal = new Terminal();
        Assert.Equal(2, terminal.Run("generate", Model(null), "x", "--logit-bias", bias));
        Assert.Contains($"--logit-bias '{bias}': {message}", terminal.Error);
        Assert.Empty(terminal.Out);
        using var twice = new Terminal();
        Assert.Equal(2, twice.Run("generate", folder["model"], "x", "--logit-bias", "q=1", "--logit-bias", "q=2"));
        Assert.Contains("has a bias already", twice.Error);
    }

    [Fact]
    public void Log_probabilities_are_those_of_the_engine_in_a_table_that_fits_and_as_lines_of_json()
    {
        var model = Model(null);
        using var loaded = ModelFolder.Load(model, WorkerPool.Shared);
        int[] prompt = [loaded.Tokenizer.StartOfText, .. loaded.Tokenizer.Encode("x")];
        var options = new SamplingOptions { MaxTokens = 6, Seed = 3, TopLogProbs = 4, StopTokens = [loaded.Tokenizer.EndOfText] };
        using var engine = new InferenceEngine(loaded.Model, 2, loaded.Tokenizer);
        var expected = engine.Generate([new GenerationRequest(prompt, options) { Samples = 2 }], TestContext.Current.CancellationToken);

        using (var terminal = new Terminal())
        {
            Assert.Equal(0, terminal.Run("generate", model, "x", "--max-tokens", "6", "--seed", "3", "--logprobs", "4", "--json", "-n", "2"));
            var lines = terminal.Out.TrimEnd().Split(Environment.NewLine).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement).ToList();
            Assert.Equal(expected.Sum(completion => completion.Tokens.Length + 1), lines.Count);
            foreach (var (index, completion) in expected.Index())
            {
                var mine = lines.Where(line => line.GetProperty("index").GetInt32() == index).ToList();
                Assert.Equal(completion.Tokens, mine[..^1].Select(line => line.GetProperty("id").GetInt32()));
                Assert.Equal(completion.TokenLogProbs!.Chosen, mine[..^1].Select(line => line.GetProperty("logprob").GetSingle()));
                Assert.Equal(completion.TokenLogProbs.Top.SelectMany(top => top),
                    mine[..^1].SelectMany(line => line.GetProperty("top").EnumerateArray()).Select(top => new TokenLogProb(top.GetProperty("id").GetInt32(), top.GetProperty("logprob").GetSingle())));
                Assert.Equal(loaded.Tokenizer.DecodeBytes(completion.Tokens, includeSpecial: true), mine[..^1].SelectMany(line => line.GetProperty("bytes").EnumerateArray()).Select(value => value.GetByte()));
                Assert.Equal((completion.Text, "length", 6), (mine[^1].GetProperty("text").GetString(), mine[^1].GetProperty("finish").GetString(), mine[^1].GetProperty("tokens").GetInt32()));
            }
        }
        using (var terminal = new Terminal(width: 60))
        {
            Assert.Equal(0, terminal.Run("generate", model, "x", "--max-tokens", "6", "--seed", "3", "--logprobs", "4"));
            var lines = terminal.Out.TrimEnd().Split(Environment.NewLine);
            Assert.Equal("x" + expected[0].Text, lines[0]);
            Assert.Matches("^token +log p  likeliest$", lines[1]);
            Assert.All(lines[2..], line => Assert.InRange(line.Length, 1, 60));
            for (var place = 0; place < 6; place++) Assert.Single(lines[2..], line => !line.StartsWith("  ") && line.Contains(FormattableString.Invariant($" {expected[0].TokenLogProbs!.Chosen[place]:0.000}  ")));
            foreach (var one in expected[0].TokenLogProbs!.Top.SelectMany(top => top)) Assert.Contains(FormattableString.Invariant($" {one.LogProb:0.000}"), terminal.Out);
        }
        using (var terminal = new Terminal())
        {
            Assert.Equal(0, terminal.Run("generate", model, "x", "--max-tokens", "6", "--seed", "3", "--json"));
            Assert.Equal(expected[0].Text, System.Text.Json.JsonDocument.Parse(terminal.Out).RootElement.GetProperty("text").GetString());
        }
        using var wrong = new Terminal();
        Assert.Equal(2, wrong.Run("generate", model, "x", "--logprobs", "21"));
        Assert.Contains("--logprobs is '21'; expected a whole number between 0 and 20.", wrong.Error);
    }

    [Fact]
    public void Ids_that_only_the_model_has_are_shown_as_such()
    {
        var model = Model(null);
        using (var loaded = ModelFolder.Load(model, WorkerPool.Shared))
        {
            using var wide = Decoder.Create(loaded.Model.Config with { VocabSize = loaded.Tokenizer.VocabSize + 200 }, 1, WorkerPool.Shared);
            ModelFolder.Save(folder["wide"], wide, loaded.Tokenizer, new ModelCard { Stage = "pretrain" });
        }
        using var table = new Terminal();
        Assert.Equal(0, table.Run("generate", folder["wide"], "x", "--logit-bias", "q=100", "--greedy", "--max-tokens", "3", "--logprobs", "20"));
        Assert.StartsWith("xqqq", table.Out);
        Assert.Matches(@"\(id \d+\) -\d", table.Out);
    }

    [Fact]
    public void What_is_written_has_the_form_that_was_asked_for()
    {
        var model = Model(null);
        File.WriteAllText(folder["schema.json"], """{"type":"object","properties":{"sure":{"type":"boolean"},"n":{"type":"integer","minimum":10,"maximum":99}},"required":["sure","n"],"additionalProperties":false}""");
        for (var seed = 1; seed <= 5; seed++)
        {
            string Written(params string[] arguments)
            {
                using var terminal = new Terminal();
                Assert.Equal(0, terminal.Run(["generate", model, "x", "--max-tokens", "50", "--seed", $"{seed}", .. arguments]));
                return terminal.Out[1..^Environment.NewLine.Length];
            }
            using var document = System.Text.Json.JsonDocument.Parse(Written("--json-schema", folder["schema.json"]));
            Assert.InRange(document.RootElement.GetProperty("n").GetInt32(), 10, 99);
            System.Text.Json.JsonDocument.Parse(Written("--json-mode")).Dispose();
            Assert.Matches(@"^(yes|no), \d{4}\z", Written("--regex", @"(yes|no), \d{4}"));
            Assert.DoesNotContain("e", Written("--stop", "e", "--stop", "e", "--min-p", "0.001", "--presence-penalty", "0.5", "--frequency-penalty", "0.5"));
        }
    }

    [Fact]
    public void A_form_that_cannot_be_kept_is_an_error_with_its_place()
    {
        var model = Model(null);
        File.WriteAllText(folder["schema.json"], """{"type":"object","properties":{"a":{"oneOf":[]}}}""");
        (string[] Arguments, string Message)[] cases =
        [
            (["--json-schema", folder["schema.json"]], "\"oneOf\" at #/properties/a/oneOf"),
            (["--json-schema", folder["none.json"]], "no such file"),
            (["--regex", "a(b"], "a ( without its ) at character 1"),
            (["--regex", "a", "--json-mode"], "more than one of"),
            (["--regex", "a{60}", "--max-tokens", "9"], "ends within the document"),
            (["-n", "3", "--best-of", "2"], "at least as many as are shown"),
            (["--best-of", "129"], "at most 128"),
            (["--min-tokens", "9", "--max-tokens", "8"], "The fewest tokens to generate are 9"),
        ];
        foreach (var (arguments, message) in cases)
        {
            using var terminal = new Terminal();
            Assert.Equal(2, terminal.Run(["generate", model, "x", .. arguments]));
            Assert.Contains(message, terminal.Error);
        }
    }
}
