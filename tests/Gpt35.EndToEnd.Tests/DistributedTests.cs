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
