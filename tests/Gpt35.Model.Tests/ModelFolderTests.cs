using Gpt35.Kernels;
using Gpt35.Tokenization;

namespace Gpt35.Model.Tests;

public sealed class ModelFolderTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("gpt35-model-").FullName;
    private readonly Tokenizer tokenizer = BpeTrainer.Train(["the cat sat on the mat, the cat sat"], new BpeTrainerOptions { VocabSize = 270 });

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void What_is_saved_is_loaded_bit_for_bit()
    {
        var path = Path.Combine(root, "model");
        using var model = TestModels.Shaken(Config());
        var card = new ModelCard { Stage = "sft", ChatFormat = "chatml", Parents = ["runs/base"], RecipeHash = "abc", RewardBias = 1.5 };
        ModelFolder.Save(path, model, tokenizer, card);
        ModelFolder.Save(path, model, tokenizer, card);                       // replacing is fine

        using var loaded = ModelFolder.Load(path, WorkerPool.Shared);
        Assert.Equal(model.Config, loaded.Model.Config);
        Assert.Equal(model.Parameters.Values.ToArray(), loaded.Model.Parameters.Values.ToArray());
        Assert.Equal(card.Stage, loaded.Card.Stage);
        Assert.Equal(card.ChatFormat, loaded.Card.ChatFormat);
        Assert.Equal(card.Parents, loaded.Card.Parents);
        Assert.Equal(card.RewardBias, loaded.Card.RewardBias);
        Assert.Equal("the cat", loaded.Tokenizer.Decode(loaded.Tokenizer.Encode("the cat")));
        Assert.Equal([path], Directory.GetFileSystemEntries(root));           // nothing temporary is left
    }

    [Fact]
    public void A_failed_save_leaves_the_old_folder_whole()
    {
        var path = Path.Combine(root, "model");
        AtomicFolder.Write(path, folder => File.WriteAllText(Path.Combine(folder, "a"), "old"));
        Assert.Throws<IOException>(() => AtomicFolder.Write(path, folder =>
        {
            File.WriteAllText(Path.Combine(folder, "a"), "new");
            throw new IOException("disk full");
        }));
        Assert.Equal("old", File.ReadAllText(Path.Combine(path, "a")));
        Assert.Equal([path], Directory.GetFileSystemEntries(root));
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "cut short", "model.safetensors" },
        { "empty", "model.safetensors" },
        { "text", "model.safetensors" },
        { "wrong shape", "wpe.weight" },
        { "missing", "config.json" },
        { "not json", "config.json" },
        { "no heads", "num_attention_heads" },
    };

    [Theory, MemberData(nameof(Damages))]
    public void A_damaged_folder_is_refused_with_the_name_of_what_is_wrong(string damage, string named)
    {
        var path = Path.Combine(root, "model");
        using var model = TestModels.Shaken(Config());
        ModelFolder.Save(path, model, tokenizer, new ModelCard { Stage = "pretrain" });
        string weights = Path.Combine(path, "model.safetensors"), config = Path.Combine(path, "config.json");
        switch (damage)
        {
            case "cut short": File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..^100]); break;
            case "empty": File.WriteAllBytes(weights, []); break;
            case "text": File.WriteAllText(weights, "this is not a safetensors file at all"); break;
            case "wrong shape": File.WriteAllText(config, File.ReadAllText(config).Replace("\"n_positions\": 12", "\"n_positions\": 13")); break;
            case "missing": File.Delete(config); break;
            case "not json": File.WriteAllText(config, "{ nope"); break;
            case "no heads": File.WriteAllText(config, File.ReadAllText(config).Replace("\"n_head\": 2", "\"n_head\": 0")); break;
        }
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => ModelFolder.Load(path, WorkerPool.Shared)).Message);
    }

    [Fact]
    public void A_new_head_keeps_the_body()
    {
        using var model = TestModels.Shaken(Config());
        using var reward = model.CloneWithHead(1, seed: 9);
        Assert.Equal(model.Parameters.Values.ToArray(), reward.Parameters.Values[..(int)model.Parameters.Count].ToArray());
        var head = reward.Parameters.ValuesOf(reward.Parameters["score.weight"]).ToArray();
        Assert.Contains(head, x => x != 0);
        using var value = reward.CloneWithHead(1, seed: 10);
        Assert.Equal(head, value.Parameters.ValuesOf(value.Parameters["score.weight"]).ToArray());
    }

    private ModelConfig Config() => TestModels.Tiny with { VocabSize = tokenizer.VocabSize };
}
