namespace Gpt35.Model.Tests;

public class PresetTests
{
    /// <summary>Released models: counted exactly. GPT-3: the millions of Brown et al. 2020, table D.1, within its rounding.</summary>
    [Theory]
    [InlineData("gpt2-124m", 124_439_808)]
    [InlineData("gpt2-355m", 354_823_168)]
    [InlineData("gpt2-774m", 774_030_080)]
    [InlineData("gpt2-1558m", 1_557_611_200)]
    [InlineData("llama-2-7b", 6_738_415_616)]
    [InlineData("mistral-7b", 7_241_732_096)]
    public void A_released_model_has_exactly_its_published_parameters(string name, long published) =>
        Assert.Equal(published, ModelPreset.Get(name).ParameterCount);

    /// <summary>Table D.1: parameters in millions, total training compute in PF-days and in flops, for 300 B tokens.</summary>
    public static TheoryData<string, double, double, double> TableD1 => new()
    {
        { "gpt3-125m", 125, 2.60, 2.25e20 },
        { "gpt3-350m", 356, 7.42, 6.41e20 },
        { "gpt3-760m", 760, 15.8, 1.37e21 },
        { "gpt3-1.3b", 1320, 27.5, 2.38e21 },
        { "gpt3-2.7b", 2650, 55.2, 4.77e21 },
        { "gpt3-6.7b", 6660, 139, 1.20e22 },
        { "gpt3-13b", 12850, 268, 2.31e22 },
        { "gpt3-175b", 174600, 3640, 3.14e23 },
    };

    [Theory, MemberData(nameof(TableD1))]
    public void A_size_of_gpt3_has_the_parameters_and_the_training_compute_of_table_d1(string name, double millions, double petaflopDays, double flops)
    {
        var preset = ModelPreset.Get(name);
        Assert.Equal(1, preset.ParameterCount / (millions * 1e6), 0.005);
        var compute = ComputeCost.PaperTraining(preset.ParameterCount, preset.Training!.Tokens);
        Assert.Equal(1, compute / flops, 0.01);
        Assert.Equal(1, compute / ComputeCost.PetaflopDay / petaflopDays, 0.01);
    }

    [Fact]
    public void Every_preset_is_a_valid_shape_of_its_own_name()
    {
        foreach (var preset in ModelPreset.All) preset.Config.Validate();
        Assert.Equal(ModelPreset.All.Count, ModelPreset.All.Select(preset => preset.Name).Distinct().Count());
        Assert.Equal(8, ModelPreset.All.Count(preset => preset.Name.StartsWith("gpt3-", StringComparison.Ordinal)));
    }

    [Fact]
    public void Counting_the_parameters_of_175_billion_allocates_no_megabyte()
    {
        var config = ModelPreset.Get("gpt3-175b").Config;
        DecoderLayout.Parameters(config);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(2 + 96 * 12 + 2, DecoderLayout.Parameters(config).Count);          // tables, blocks, the last norm
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 1 << 20);
    }

    [Fact]
    public void What_openai_did_not_publish_is_an_assumption_and_says_why()
    {
        string[] gpt35 = ["text-davinci-002", "text-davinci-003", "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", "gpt-3.5-turbo-16k", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-0125"];
        foreach (var preset in gpt35.Select(ModelPreset.Get))
        {
            Assert.NotEmpty(Assert.IsType<ShapeSource.Assumed>(preset.Shape).Why);
            Assert.Equal(preset.Api!.ContextTokens, preset.Config.MaxPositionEmbeddings + 1);
        }
        Assert.Equal([4097, 4097, 4097, 4097, 16385, 16385, 16385], gpt35.Select(name => ModelPreset.Get(name).Api!.ContextTokens));
    }

    [Fact]
    public void Gpt3_alternates_banded_and_dense_layers()
    {
        var config = ModelPreset.Get("gpt3-125m").Config;
        Assert.Equal([256, 0, 256, 0], Enumerable.Range(0, 4).Select(config.WindowOf));
    }

    [Fact]
    public void An_unknown_preset_is_answered_with_those_there_are() =>
        Assert.Contains("gpt3-125m", Assert.Throws<InvalidDataException>(() => ModelPreset.Get("gpt-3-small")).Message);
}
