using System.Diagnostics;
using System.Text;

namespace Gpt35.EndToEnd.Tests;

/// <summary>Several processes under mpirun train as one does with the same global batch, and end together.</summary>
[Collection(nameof(TinyStages))]
public class DistributedTests(TinyStages tiny)
{
    private static readonly string[] NotNumbersOfTraining = ["seconds", "tokens_per_second", "rollout_seconds", "update_seconds"];

    /// <summary>Enough of them, of some milliseconds each, for a signal to arrive between the first and the last.</summary>
    private const int StepsToStopIn = 60;

    private static string? Mpirun { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "mpirun")).FirstOrDefault(File.Exists);

    [Theory]
    [InlineData("pretrain", 2)]
    [InlineData("sft", 2)]
    [InlineData("reward", 2)]
    [InlineData("ppo", 2)]
    [InlineData("pretrain", 3)]
    public async Task Several_processes_have_the_losses_of_one(string stage, int ranks)
    {
        RequireMpi();
        var run = $"{stage}-by-{ranks}";
        var (code, output, error) = await Finish(Launch(ranks, tiny.Command(stage, run)));
        Assert.True(code == 0, error + output);
        RequireSameNumbers(stage, run);
        Assert.Single(output.Split('\n'), line => line.Contains(" parameters, "));                  // one of them speaks
        Assert.True(File.Exists(tiny[$"{run}/summary.json"]));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(tiny[run], "*", SearchOption.AllDirectories), path => path.EndsWith(".tmp"));
    }

    [Theory]
    [InlineData("pretrain", "batch.tokens=50")]
    [InlineData("ppo", "minibatches=8")]
    public async Task Processes_without_a_share_of_a_step_change_nothing(string stage, string setting)
    {
        RequireMpi();
        var (alone, together) = ($"{stage}-unshared-alone", $"{stage}-unshared");
        using (var one = TinyStages.Start(tiny.Command(stage, alone, "--set", setting))) await Finish(one);
        var (code, output, error) = await Finish(Launch(3, tiny.Command(stage, together, "--set", setting)));
        Assert.True(code == 0, error + output);
        RequireSameNumbers(alone, together);
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("ppo")]
    public async Task Two_machines_have_the_losses_of_one(string stage)
    {
        RequireMpi();
        using var machines = TwoMachines.Make();
        Assert.SkipWhen(machines is null, "needs Linux, root, and the right to make network namespaces (ip netns)");
        var run = $"{stage}-on-two";
        var (code, output, error) = await Finish(machines.Launch(Mpirun!, tiny.Command(stage, run, "--threads", "1")));
        Assert.True(code == 0, error + output);
        RequireSameNumbers(stage, run);
        Assert.True(machines.BytesSent > 100_000, $"{machines.BytesSent} bytes");                   // they did talk over the cable
    }

    [Fact]
    public async Task Slurm_starts_processes_that_have_the_losses_of_one_and_stops_them()
    {
        RequireMpi();
        Assert.SkipWhen(Slurm.Fault is not null, $"needs a running Slurm with PMIx ({Slurm.Fault})");
        var (code, output, error) = await Finish(Slurm.Launch(tiny.Command("pretrain", "by-slurm")));
        Assert.True(code == 0, error + output);
        RequireSameNumbers("pretrain", "by-slurm");

        string[] settings = ["--set", $"steps={StepsToStopIn}", "--set", "checkpoint_every=0", "--json"];
        (code, output, error) = await Signalled("-USR1", Slurm.Launch(tiny.Command("pretrain", "slurm-stop", settings)));
        Assert.Equal(130, code);
        RequireSavedOnce("slurm-stop", output, error);
    }

    [Fact]
    public async Task A_rank_that_dies_ends_all_and_one_process_goes_on_from_their_checkpoint()
    {
        RequireMpi();
        using var all = Launch(2, tiny.Command("pretrain", "dying", "--set", "checkpoint_every=1"));
        var error = all.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var killed = false;
        while (await all.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            if (!killed && line.Contains("Saved"))
            {
                killed = true;
                // The second rank, told by its environment.
                foreach (var other in Process.GetProcessesByName("dotnet").Where(process => IsSecondRankOf(process, all.Id))) other.Kill();
            }
        await all.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(killed);
        Assert.NotEqual(0, all.ExitCode);
        Assert.Contains("signal 9", await error);
        Assert.False(Directory.Exists(tiny["dying/model"]));

        using var one = TinyStages.Start(tiny.Command("pretrain", "dying", "--resume"));
        var (code, _, complaint) = await Finish(one);
        Assert.True(code == 0, complaint);
        RequireSameNumbers("pretrain", "dying");
    }

    [Fact]
    public async Task Asked_to_stop_all_save_once_and_go_on_to_the_weights_of_the_undisturbed_run()
    {
        RequireMpi();
        string[] settings = ["--set", $"steps={StepsToStopIn}", "--set", "checkpoint_every=0", "--threads", "1", "--json"];
        var (undisturbed, _, complaint) = await Finish(Launch(2, tiny.Command("pretrain", "stop-not", settings)));
        Assert.True(undisturbed == 0, complaint);

        // mpirun hands this signal on and lets them end by themselves.
        var (code, output, error) = await Signalled("-USR1", Launch(2, tiny.Command("pretrain", "stop", settings)));
        Assert.Equal(130, code);
        RequireSavedOnce("stop", output, error);
        Assert.InRange(tiny.Metrics("stop").Count, 1, StepsToStopIn - 1);

        var (resumed, _, other) = await Finish(Launch(2, [.. tiny.Command("pretrain", "stop", settings), "--resume"]));
        Assert.True(resumed == 0, other);
        Assert.Equal(StepsToStopIn, tiny.Metrics("stop").Count);
        Assert.Equal(tiny.Weights("stop-not"), tiny.Weights("stop"));
    }

    [Fact]
    public async Task What_is_wrong_is_said_once_and_ends_all()
    {
        RequireMpi();
        var (code, output, error) = await Finish(Launch(2, tiny.Command("pretrain", "wrong", "--set", "data.train=[nowhere.txt]")));
        Assert.Equal(2, code);
        Assert.Single((output + error).Split('\n'), line => line.Contains("nowhere.txt"));
        Assert.False(Directory.Exists(tiny["wrong"]));
    }

    [Fact]
    public async Task Different_recipes_are_refused_before_anything_is_computed()
    {
        RequireMpi();
        string[] second = [":", "-np", "1", "dotnet", Path.Combine(AppContext.BaseDirectory, "gpt35.dll"), .. tiny.Command("pretrain", "recipes", "--set", "steps=3")];
        var (code, output, error) = await Finish(Launch(1, [.. tiny.Command("pretrain", "recipes"), .. second]));
        Assert.Equal(2, code);
        Assert.Single((output + error).Split('\n'), line => line.Contains("The recipe: rank 1, on ") && line.Contains("\"steps: 3\""));
        Assert.False(Directory.Exists(tiny["recipes"]));
    }

    [Theory]
    [InlineData("pretrain", "data.train=[text.txt]", "text.txt", "text.txt", "Training data")]
    [InlineData("sft", "data.train=[demonstrations.jsonl]", "demonstrations.jsonl", "demonstrations.jsonl", "Training data")]
    [InlineData("reward", "data.train=[rankings.jsonl]", "rankings.jsonl", "rankings.jsonl", "Training data")]
    [InlineData("ppo", "data.train=[prompts.jsonl]", "prompts.jsonl", "prompts.jsonl", "Training data")]
    [InlineData("sft", "init=model", "pretrain/model", "reward-base/model", "model")]
    public async Task Different_copies_of_what_is_read_are_refused(string stage, string setting, string file, string other, string what)
    {
        RequireMpi();
        // Two working directories in place of two machines: the same relative path leads to different copies.
        var name = setting.Split('=')[1].Trim('[', ']');
        var (first, second) = (Directory.CreateDirectory(tiny[$"{stage}-{name}-first"]).FullName, Directory.CreateDirectory(tiny[$"{stage}-{name}-second"]).FullName);
        if (file == name)
        {
            File.Copy(tiny[file], Path.Combine(first, name));
            File.WriteAllText(Path.Combine(second, name), File.ReadAllText(tiny[other]).Replace("Tom1", "Tim1"));
            if (stage == "pretrain") File.AppendAllText(Path.Combine(second, name), " The end.");
        }
        else
        {
            if (!Directory.Exists(tiny[other]))
            {
                var (made, _, complaint) = await Finish(TinyStages.Start(tiny.Command("pretrain", "reward-base", "--set", "seed=7")));
                Assert.True(made == 0, complaint);
            }
            Directory.CreateSymbolicLink(Path.Combine(first, name), tiny[file]);
            Directory.CreateSymbolicLink(Path.Combine(second, name), tiny[other]);
        }
        var run = $"{stage}-{name}-differing";
        var command = tiny.Command(stage, run, "--set", setting);
        var (code, output, error) = await Finish(Launch(1, [.. command, ":", "-np", "1", "--wdir", second, "dotnet", Path.Combine(AppContext.BaseDirectory, "gpt35.dll"), .. command], "--wdir", first));
        Assert.Equal(2, code);
        Assert.Single((output + error).Split('\n'), line => line.Contains($"{what}: rank 1, on ") && line.Contains("copy them anew"));
        Assert.False(Directory.Exists(tiny[run]));
    }

    [Theory]
    [InlineData("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2", "srun --mpi=pmix")]
    [InlineData("PMI_RANK=0 PMI_SIZE=2", "the mpirun of Open MPI")]
    public async Task Processes_that_would_each_train_alone_in_one_folder_are_refused(string environment, string remedy)
    {
        var (code, output, error) = await Finish(TinyStages.Start(tiny.Command("pretrain", "singletons"), ["env", .. environment.Split(' ')]));
        Assert.Equal(2, code);
        Assert.Equal("", output);
        Assert.Contains("Started as 2 processes", error);
        Assert.Contains(remedy, error);
        Assert.False(Directory.Exists(tiny["singletons"]));
    }

    [Fact]
    public async Task The_quickstart_is_not_for_several()
    {
        RequireMpi();
        var (code, _, error) = await Finish(Launch(2, ["quickstart", "--out", tiny["quick"], "--no-chat"]));
        Assert.Equal(2, code);
        Assert.Contains("it runs as one", error);
    }

    private static void RequireMpi() => Assert.SkipWhen(Mpirun is null, "needs mpirun (Debian: apt install openmpi-bin)");

    /// <summary>Every figure of every step is that of the undisturbed run, to 1e-5 of its size.</summary>
    private void RequireSameNumbers(string expected, string actual)
    {
        var (alone, together) = (tiny.Metrics(expected), tiny.Metrics(actual));
        Assert.Equal(alone.Count, together.Count);
        foreach (var (one, several) in alone.Zip(together))
        {
            Assert.Equal(one.Select(figure => figure.Key), several.Select(figure => figure.Key));
            foreach (var (name, value) in one.Where(figure => !NotNumbersOfTraining.Contains(figure.Key)))
            {
                var (a, b) = (value!.GetValue<double>(), several[name]!.GetValue<double>());
                Assert.True(Math.Abs(a - b) <= 1e-5 * Math.Max(1, Math.Abs(a)), $"step {one["step"]}, {name}: {a} alone, {b} together");
            }
        }
    }

    /// <summary>One checkpoint, one message on how to go on, nothing unfinished, no model.</summary>
    private void RequireSavedOnce(string run, string output, string error)
    {
        Assert.Single((output + error).Split('\n'), line => line.Contains("the state is saved"));
        Assert.Single(error.Split('\n'), line => line.Contains("--resume"));
        Assert.Single(Directory.GetFileSystemEntries(tiny[$"{run}/checkpoints"]));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(tiny[run], "*", SearchOption.AllDirectories), path => path.EndsWith(".tmp"));
        Assert.False(Directory.Exists(tiny[$"{run}/model"]));
    }

    /// <summary>Waits for the end of a run that gets a signal as soon as it shows a step.</summary>
    private static async Task<(int Code, string Output, string Error)> Signalled(string signal, Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var output = new StringBuilder();
            var sent = false;
            while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            {
                output.AppendLine(line);
                if (sent || !line.Contains("\"step\":")) continue;
                sent = true;
                Process.Start("kill", [signal, $"{process.Id}"]).WaitForExit();
            }
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, output.ToString(), await error);
        }
    }

    private static Process Launch(int ranks, IEnumerable<string> arguments, params string[] options)
    {
        Environment.SetEnvironmentVariable("OMPI_ALLOW_RUN_AS_ROOT", "1");
        Environment.SetEnvironmentVariable("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        // Containers often forbid reading another process's memory, which Open MPI would try first.
        return TinyStages.Start(arguments, [Mpirun!, "--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none", .. options, "-np", $"{ranks}"]);
    }

    private static async Task<(int Code, string Output, string Error)> Finish(Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, output, await error);
        }
    }

    private static bool IsSecondRankOf(Process process, int parent)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{process.Id}/stat");
            var itsParent = int.Parse(status[(status.LastIndexOf(')') + 4)..].Split(' ')[0]);
            return itsParent == parent && File.ReadAllText($"/proc/{process.Id}/environ").Split('\0').Contains("OMPI_COMM_WORLD_RANK=1");
        }
        catch (IOException)
        {
            return false;                                              // ended meanwhile
        }
    }
}
