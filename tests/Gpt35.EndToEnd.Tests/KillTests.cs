using System.Diagnostics;

namespace Gpt35.EndToEnd.Tests;

/// <summary>The program as a process of its own, ended without warning: what it leaves is always enough to go on, to the same bits.</summary>
[Collection(nameof(TinyStages))]
public class KillTests(TinyStages tiny)
{
    [Theory]
    [InlineData("pretrain")]
    [InlineData("sft")]
    [InlineData("reward")]
    [InlineData("ppo")]
    public async Task A_run_killed_at_random_moments_ends_with_the_weights_of_the_undisturbed_one(string stage)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "counts the changes of files as Linux reports them");
        var parent = Directory.CreateDirectory(tiny[$"killed-{stage}"]).FullName;
        var run = $"killed-{stage}/run";
        var random = new Random(35);
        var (killed, withinACheckpoint) = (0, 0);
        for (var attempt = 0; attempt < TinyStages.Kills; attempt++)
        {
            // A checkpoint alone is some thirty changes, so most of these moments are inside one.
            var exitCode = await RunUntil(random.Next(1, 90), parent, Command());
            if (exitCode == 0) break;
            Assert.Equal(128 + 9, exitCode);
            killed++;
            if (Directory.EnumerateDirectories(parent, "step-*.tmp", SearchOption.AllDirectories).Any()) withinACheckpoint++;
        }
        if (!Directory.Exists(tiny[$"{run}/model"]) || !File.Exists(tiny[$"{run}/summary.json"]))
        {
            using var last = TinyStages.Start(Command());
            var error = last.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await last.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await last.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(last.ExitCode == 0, await error);
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{stage}: killed {killed} times, {withinACheckpoint} of them while a checkpoint was written");
        Assert.Equal(TinyStages.Kills, killed);
        Assert.True(withinACheckpoint > 0 || TinyStages.Kills < 10);
        Assert.Equal(tiny.Weights(stage), tiny.Weights(run));
        Assert.Equal(tiny.Metrics(stage).Count, tiny.Metrics(run).Count);
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(parent, "*", SearchOption.AllDirectories), path => path.EndsWith(".tmp") || path.EndsWith(".old") || path.EndsWith(".lock"));

        // Killed before it had made its folder, a run has nothing to resume and simply starts again.
        string[] Command() => tiny.Command(stage, run, ["--quiet", "--threads", "1", .. Directory.Exists(tiny[run]) ? (string[])["--resume"] : []]);
    }

    [Fact]
    public async Task A_full_disk_stops_the_run_with_a_message_and_leaves_the_checkpoint_before_whole()
    {
        var disk = Directory.CreateDirectory(tiny["disk"]).FullName;
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && await Succeeds("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk),
            "needs root and the right to mount a small tmpfs");
        try
        {
            // Ten checkpoints do not fit.
            string[] command = tiny.Command("pretrain", "disk/run", "--set", "keep=10", "--threads", "1");
            using var first = TinyStages.Start(command);
            var (code, error) = await Ending(first);
            Assert.Equal(2, code);
            Assert.Contains("No space left", error);
            Assert.Contains("--resume", error);
            Assert.DoesNotContain("   at ", error);
            Assert.NotEmpty(Directory.GetDirectories(tiny["disk/run/checkpoints"], "step-*"));
            Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(disk, "*", SearchOption.AllDirectories), path => path.EndsWith(".tmp"));

            Assert.True(await Succeeds("mount", "-o", "remount,size=64m", disk));
            using var second = TinyStages.Start([.. command, "--resume"]);
            var (resumed, complaint) = await Ending(second);
            Assert.True(resumed == 0, complaint);
            Assert.Equal(tiny.Weights("pretrain"), tiny.Weights("disk/run"));
        }
        finally
        {
            await Succeeds("umount", disk);
        }
    }

    /// <summary>Starts the program and kills it at a certain change of a file below <paramref name="watched"/>; its exit code, 137 when it was killed.</summary>
    private static async Task<int> RunUntil(int change, string watched, string[] command)
    {
        using var watcher = new FileSystemWatcher(watched)
        {
            IncludeSubdirectories = true,
            InternalBufferSize = 1 << 16,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        var left = change;
        Process? started = null;
        watcher.Created += Count;
        watcher.Changed += Count;
        watcher.Renamed += Count;
        watcher.Deleted += Count;
        watcher.EnableRaisingEvents = true;
        using var process = started = TinyStages.Start(command);
        using var registration = TestContext.Current.CancellationToken.Register(process.Kill);
        _ = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode is 0 or 137, $"ended with {process.ExitCode}: {await error}");
        return process.ExitCode;

        void Count(object sender, FileSystemEventArgs change)
        {
            if (Interlocked.Decrement(ref left) <= 0) started?.Kill();
        }
    }

    private static async Task<(int Code, string Error)> Ending(Process process)
    {
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await error);
    }

    private static async Task<bool> Succeeds(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        return (await Ending(process)).Code == 0;
    }
}
