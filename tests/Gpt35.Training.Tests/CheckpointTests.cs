using Gpt35.Model;

namespace Gpt35.Training.Tests;

/// <summary>What is left of checkpoints by a killed process, a failing disk or a careless hand, and what becomes of it.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("gpt35-checkpoints-").FullName;
    private readonly List<string> notes = [];

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData("weights.bin")]
    [InlineData("inner/more.bin")]
    [InlineData("state.json")]
    public void Behind_a_damaged_checkpoint_stands_the_one_before(string file)
    {
        Write(1, 2, 3);
        var path = Path.Combine(Folder(3), file);
        var bytes = File.ReadAllBytes(path);
        bytes[^3] ^= 4;
        File.WriteAllBytes(path, bytes);
        Assert.Equal(2, Newest()!.Value.State.Step);
        Assert.Contains(path, Assert.Single(notes));
        Assert.Contains("going on from the one before", notes[0]);
        // Set aside: it is not in the way of the next, and does not count as one of those to keep.
        Assert.True(Directory.Exists(Folder(3) + ".damaged"));
        Write(3, keep: 2, best: null);
        Assert.Equal(["step-2", "step-3"], Names());
    }

    [Fact]
    public void A_checkpoint_cut_short_or_without_one_of_its_files_is_damaged()
    {
        Write(1, 2);
        using (var file = File.OpenWrite(Path.Combine(Folder(2), "weights.bin"))) file.SetLength(10);
        Assert.Equal(1, Newest()!.Value.State.Step);
        Write(2);
        File.Delete(Path.Combine(Folder(2), "weights.bin"));
        Assert.Equal(1, Newest()!.Value.State.Step);
        Assert.Contains("missing", notes[^1]);
        Write(2);
        File.WriteAllText(Path.Combine(Folder(2), "state.json"), "{\"stage\": \"pre");
        Assert.Equal(1, Newest()!.Value.State.Step);
    }

    [Fact]
    public void Where_none_is_whole_the_run_does_not_begin_again_unasked()
    {
        Write(1, 2);
        foreach (var step in (int[])[1, 2]) File.AppendAllText(Path.Combine(Folder(step), "weights.bin"), "x");
        var error = Assert.Throws<InvalidDataException>(() => Newest());
        Assert.Contains(Folder(1), error.Message);
        Assert.Contains(Folder(2), error.Message);
        Assert.Contains("start from the first step", error.Message);
    }

    [Fact]
    public void A_checkpoint_that_lost_its_state_is_damaged_and_not_overlooked()
    {
        Write(1, 2);
        File.Delete(Path.Combine(Folder(2), "state.json"));
        Assert.Equal(1, Newest()!.Value.State.Step);
        Assert.Contains("state.json: missing", Assert.Single(notes));
        File.Delete(Path.Combine(Folder(1), "state.json"));
        Assert.Contains("start from the first step", Assert.Throws<InvalidDataException>(() => Newest()).Message);
    }

    [Fact]
    public void The_newest_and_the_best_are_kept()
    {
        foreach (var step in (int[])[1, 2, 3, 4, 5]) Write(step, keep: 2, best: 2);
        Assert.Equal(["step-2", "step-4", "step-5"], Names());
        Write(6, keep: 1, best: 5);
        Assert.Equal(["step-5", "step-6"], Names());
    }

    [Fact]
    public void Numbers_that_json_has_no_word_for_are_carried_over_too()
    {
        Checkpoint.Write(root, State(1) with { Numbers = new() { ["a"] = double.NaN, ["b"] = double.PositiveInfinity, ["c"] = 0.1 } }, _ => { }, 2, null);
        var numbers = Newest()!.Value.State.Numbers;
        Assert.True(double.IsNaN(numbers["a"]));
        Assert.Equal((double.PositiveInfinity, 0.1), (numbers["b"], numbers["c"]));
    }

    [Fact]
    public void Leftovers_of_killed_writes_go_and_a_folder_moved_aside_comes_back()
    {
        Make("step-1", "step-2.77.tmp", "step-3.77.tmp.77.tmp", "step-3.77.tmp.77.old", "step-4.77.old", "step-5", "step-5.77.old", "mine.old", "v1.0.old");
        File.WriteAllText(Path.Combine(root, "metrics.jsonl.77-3.tmp"), "");
        File.WriteAllText(Path.Combine(root, "metrics.jsonl"), "");
        AtomicFolder.Recover(root);
        Assert.Equal(["metrics.jsonl", "mine.old", "step-1", "step-4", "step-5", "v1"], Directory.EnumerateFileSystemEntries(root).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_model_whose_replacement_was_killed_between_two_renames_is_found_under_its_name()
    {
        Make("model.77.old", "model.77.tmp", "model2.5.old");
        AtomicFolder.Restore(Path.Combine(root, "model"));
        Assert.True(Directory.Exists(Path.Combine(root, "model")));
        Assert.True(Directory.Exists(Path.Combine(root, "model2.5.old")));
    }

    [Fact]
    public void Replacing_a_folder_leaves_the_new_one_and_nothing_else_and_a_failure_leaves_the_old()
    {
        var path = Path.Combine(root, "model");
        foreach (var text in (string[])["old", "new"]) AtomicFolder.Write(path, folder => File.WriteAllText(Path.Combine(folder, "a"), text));
        Assert.Equal("new", File.ReadAllText(Path.Combine(path, "a")));
        Assert.Throws<IOException>(() => AtomicFolder.Write(path, folder =>
        {
            File.WriteAllText(Path.Combine(folder, "a"), "half");
            throw new IOException("No space left on device");
        }));
        Assert.Equal("new", File.ReadAllText(Path.Combine(path, "a")));
        Assert.Equal([path], Directory.EnumerateFileSystemEntries(root));
    }

    private string Folder(int step) => Checkpoint.FolderOf(root, step);

    private IEnumerable<string?> Names() => Directory.EnumerateDirectories(root).Select(Path.GetFileName).Where(name => !name!.EndsWith(".damaged", StringComparison.Ordinal)).Order();

    private (string Folder, CheckpointState State)? Newest() => Checkpoint.NewestIntact(root, notes.Add);

    private void Write(params int[] steps)
    {
        foreach (var step in steps) Write(step, keep: 3, best: null);
    }

    private void Write(int step, int keep, int? best) => Checkpoint.Write(root, State(step), folder =>
    {
        File.WriteAllBytes(Path.Combine(folder, "weights.bin"), [.. Enumerable.Range(0, 100).Select(i => (byte)(i * step))]);
        Directory.CreateDirectory(Path.Combine(folder, "inner"));
        File.WriteAllText(Path.Combine(folder, "inner", "more.bin"), $"step {step}");
    }, keep, best);

    private static CheckpointState State(int step) => new()
    {
        Stage = "test",
        Step = step,
        RecipeHash = "",
        Tokens = 10 * step,
        Seconds = 0.1 * step,
        StepSeconds = 0,
        Numbers = new() { ["kl_coef"] = 0.2 / 3 },
    };

    private void Make(params string[] names)
    {
        foreach (var name in names) Directory.CreateDirectory(Path.Combine(root, name));
    }
}
