namespace Gpt35.Training.Tests;

public sealed class RecipeFileTests
{
    private const string Minimal = """
        tokenizer: tok
        model:
          hidden_size: 8
          num_hidden_layers: 1
          num_attention_heads: 2
          max_position_embeddings: 16
        data:
          train: [a.txt, b.txt]
        batch: {tokens: 64}
        steps: 5
        optimizer:
          lr: 1e-3
          schedule: linear
        """;

    [Fact]
    public void What_is_no_yaml_is_named_by_the_line_it_stands_in()
    {
        var error = Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<PretrainRecipe>("seed: 1\nsteps: 5\nbatch:\n\ttokens: 64\n", "r.yaml"));
        Assert.StartsWith("r.yaml:4: not valid YAML", error.Message);
        Assert.Contains("indented with spaces", error.Message);
    }

    [Fact]
    public void A_recipe_fills_its_record_and_the_rest_are_defaults()
    {
        var recipe = RecipeFile.Parse<PretrainRecipe>(Minimal, "r.yaml");
        Assert.Equal(["a.txt", "b.txt"], recipe.Data.Train);
        Assert.Equal((8, 64, 5, 1e-3), (recipe.Model.HiddenSize, recipe.Batch.Tokens, recipe.Steps, recipe.Optimizer.Lr));
        Assert.Equal((ScheduleShape.Linear, 0.95, 1ul), (recipe.Optimizer.Schedule, recipe.Optimizer.Beta2, recipe.Seed));
        Assert.Null(recipe.Model.IntermediateSize);
    }

    [Fact]
    public void The_resolved_recipe_reads_back_as_itself()
    {
        var recipe = RecipeFile.Parse<PretrainRecipe>(Minimal, "r.yaml", ["optimizer.lr=0.00012345", "model.intermediate_size=24", "tokenizer='true'"]);
        var yaml = RecipeFile.ToYaml(recipe);
        Assert.Equal(yaml, RecipeFile.ToYaml(RecipeFile.Parse<PretrainRecipe>(yaml, "again.yaml")));
        Assert.Contains("lr: 0.00012345", yaml);
        Assert.Contains("schedule: linear", yaml);
    }

    [Fact]
    public void Overrides_win_over_the_file_and_may_add_what_it_lacks()
    {
        var recipe = RecipeFile.Parse<PretrainRecipe>(Minimal, "r.yaml",
            ["optimizer.lr=0.5", "data.train=[x.txt]", "data.heldout=y.txt", "seed=9", "batch.micro_tokens=32"]);
        Assert.Equal(0.5, recipe.Optimizer.Lr);
        Assert.Equal(["x.txt"], recipe.Data.Train);
        Assert.Equal(["y.txt"], recipe.Data.Heldout);
        Assert.Equal((9ul, 32, 64), (recipe.Seed, recipe.Batch.MicroTokens, recipe.Batch.Tokens));
    }

    [Fact]
    public void A_required_block_may_come_from_overrides_alone()
    {
        var recipe = RecipeFile.Parse<SftRecipe>("epochs: 2\nbatch: {tokens: 9}\noptimizer: {lr: 1}\n", "r.yaml", ["init=m", "data.train=a.jsonl"]);
        Assert.Equal(["a.jsonl"], recipe.Data.Train);
    }

    [Theory]
    [InlineData("steps: 5", "stepz: 5", "r.yaml:10: unknown key \"stepz\". Did you mean \"steps\"?")]
    [InlineData("  lr: 1e-3", "  learning_rate: 1e-3", "r.yaml:12: unknown key \"optimizer.learning_rate\".")]
    [InlineData("  lr: 1e-3", "  lr: fast", "r.yaml:12: optimizer.lr is \"fast\"; expected a number")]
    [InlineData("steps: 5", "steps: 2.5", "r.yaml:10: steps is \"2.5\"; expected a whole number")]
    [InlineData("steps: 5", "steps: 0", "r.yaml:10: steps is \"0\"; expected a number from 1 to")]
    [InlineData("steps: 5", "steps: [5]", "r.yaml:10: steps is a list; expected a whole number")]
    [InlineData("schedule: linear", "schedule: square", "expected one of cosine, linear, constant")]
    [InlineData("batch: {tokens: 64}", "batch: 64", "r.yaml:9: batch is \"64\"; expected an indented block with tokens, micro_tokens")]
    [InlineData("  hidden_size: 8\n", "", "r.yaml:3: no \"model.hidden_size\"")]
    [InlineData("steps: 5\n", "", "r.yaml: no \"steps\"")]
    [InlineData("steps: 5", "steps: 5\nsteps: 6", "not valid YAML")]
    [InlineData("steps: 5", "steps: {", "not valid YAML")]
    public void A_mistake_is_reported_with_its_place_and_what_was_expected(string was, string now, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<PretrainRecipe>(Minimal.Replace(was, now), "r.yaml"));
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("optimizer.lrr=1", "--set optimizer.lrr=1: unknown key \"optimizer.lrr\". Did you mean \"lr\"?")]
    [InlineData("optimizer.lr=x", "--set optimizer.lr=x: optimizer.lr is \"x\"; expected a number")]
    [InlineData("steps", "expected key=value")]
    [InlineData("steps.more=1", "holds a value")]
    public void A_mistake_in_an_override_names_the_override(string text, string message)
    {
        var error = Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<PretrainRecipe>(Minimal, "r.yaml", [text]));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void A_missing_recipe_is_a_missing_file() =>
        Assert.Throws<FileNotFoundException>(() => RecipeFile.Load<PretrainRecipe>("no/such.yaml"));

    [Fact]
    public void A_recipe_that_is_a_list_is_refused() =>
        Assert.Contains("key: value", Assert.Throws<InvalidDataException>(() => RecipeFile.Parse<PpoRecipe>("- a\n- b\n", "r.yaml")).Message);

    public static TheoryData<string> Shipped =>
        [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "recipes"), "*.yaml", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Repository.Root, path)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Shipped))]
    public void A_shipped_recipe_loads_with_what_its_comment_asks_for_and_not_with_less(string recipe)
    {
        var path = Path.Combine(Repository.Root, recipe);
        var comment = File.ReadLines(path).Single(line => line.StartsWith("# Needs:", StringComparison.Ordinal)).Split(" [--set ")[0];
        string[] needed = [.. comment.Split("--set ").Skip(1).Select(set => set.Split(' ')[0])];
        Assert.NotEmpty(needed);
        Load(needed);
        foreach (var set in needed)
        {
            var error = Assert.Throws<InvalidDataException>(() => Load([.. needed.Except([set])]));
            Assert.Contains($"no \"{set.Split('=')[0]}\"", error.Message);
        }

        object Load(string[] sets) => Path.GetFileNameWithoutExtension(path) switch
        {
            "pretrain" => RecipeFile.Load<PretrainRecipe>(path, sets),
            "sft" => RecipeFile.Load<SftRecipe>(path, sets),
            "reward" => RecipeFile.Load<RewardRecipe>(path, sets),
            "ppo" => RecipeFile.Load<PpoRecipe>(path, sets),
            var other => throw new ArgumentOutOfRangeException(nameof(recipe), other, "a recipe is named after its stage"),
        };
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    public void Every_stage_has_a_recipe_for_your_own_data(string stage) => Assert.Contains(Path.Combine("recipes", "small", $"{stage}.yaml"), Shipped.Select(row => row.Data));
}
