using System.Diagnostics;
using Gpt35.Cli;

namespace Gpt35.EndToEnd.Tests;

/// <summary>Ctrl-C in the middle: the state is saved, the message says how to go on, and going on ends where an unbroken run would have.</summary>
public class InterruptionTests
{
    private const string Recipe =
        """
        model: { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32 }
        batch: { tokens: 128 }
        steps: 200
        optimizer: { lr: 1e-3 }
        """;

    [Fact]
    public void An_interrupted_pretraining_goes_on_to_the_same_weights()
    {
        using var folder = new TemporaryFolder();
        var command = Prepare(folder, "run");
        using var terminal = new Terminal();
        var first = terminal.Session with { Out = new PressOn("1/200", terminal.Session.Interrupts) };
        Assert.Equal(130, CommandLine.Run(command, first));
        Assert.Contains("state is saved", terminal.Error);
        Assert.Contains("--resume", terminal.Error);
        Assert.False(Directory.Exists(folder["run/model"]));

        using var second = new Terminal();
        Assert.Equal(0, second.Run([.. command, "--resume"]));
        using var unbroken = new Terminal();
        Assert.Equal(0, unbroken.Run(Prepare(folder, "unbroken")));
        Assert.Equal(File.ReadAllBytes(folder["unbroken/model/model.safetensors"]), File.ReadAllBytes(folder["run/model/model.safetensors"]));
        Assert.True(File.ReadLines(folder["run/metrics.jsonl"]).Count() == 200);
    }

    [Fact]
    public void An_interrupted_quickstart_goes_on_with_the_command_it_was_in()
    {
        using var folder = new TemporaryFolder();
        folder.Write("recipes/commands.txt",
            """
            tokenizer train {recipes}/text.txt --vocab-size 280 --out {out}/tokenizer
            pretrain {recipes}/pretrain.yaml --out {out}/pretrain --set tokenizer={out}/tokenizer --set data.train={recipes}/text.txt
            tokenizer inspect --vocab {out}/tokenizer
            """);
        folder.Write("recipes/text.txt", Text);
        folder.Write("recipes/pretrain.yaml", Recipe);
        using var terminal = new Terminal();
        var pressed = terminal.Session with { Out = new PressOn("1/200", terminal.Session.Interrupts) };
        Assert.Equal(130, CommandLine.Run(["quickstart", "--out", folder["run"], "--recipes", folder["recipes"]], pressed));
        Assert.Contains($"gpt35 quickstart --out {folder["run"]} --resume", terminal.Error);

        using var again = new Terminal();
        Assert.Equal(0, again.Run("quickstart", "--out", folder["run"], "--resume"));
        Assert.DoesNotContain("$ gpt35 tokenizer train", again.Out);
        Assert.Contains("--resume", again.Out);
        Assert.Contains("$ gpt35 tokenizer inspect", again.Out);
        Assert.True(File.Exists(folder["run/pretrain/model/model.safetensors"]));
    }

    [Theory]
    [InlineData("-TERM")]
    [InlineData("-USR1")]
    [InlineData("-HUP")]
    public async Task A_signal_to_the_program_itself_even_twice_ends_it_with_130_and_a_checkpoint(string signal)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "needs POSIX signals");
        // What the tests were started to ignore (nohup), the program ignores, too.
        Assert.SkipWhen(signal == "-HUP" && IsHangUpIgnored(), "SIGHUP is ignored here");
        using var folder = new TemporaryFolder();
        var command = Prepare(folder, "run");
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "gpt35.dll"), .. command, "--set", "steps=100000"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            // SIGTERM rather than SIGINT: a test run in the background may have been started with SIGINT ignored, and its children inherit that.
            if (line.Contains("1/100000")) Process.Start("sh", ["-c", $"kill {signal} {process.Id}; kill {signal} {process.Id}"]).WaitForExit();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(130, process.ExitCode);
        Assert.Contains("Stopping after this step", await errors);
        Assert.NotEmpty(Directory.GetDirectories(folder["run/checkpoints"]));
    }

    /// <summary>Bit 0 of the mask of ignored signals is that of signal 1.</summary>
    private static bool IsHangUpIgnored() => File.Exists("/proc/self/status")
        && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } mask && (Convert.ToUInt64(mask[7..].Trim(), 16) & 1) != 0;

    private static string Text { get; } = string.Join("\n\n", Enumerable.Range(1, 60).Select(i => $"Tom has {i} goats. The goats live by the lake and eat {i + 1} apples."));

    /// <summary>Text, tokenizer and recipe for a short pre-training, and its command line.</summary>
    private static string[] Prepare(TemporaryFolder folder, string run)
    {
        var (text, recipe) = (folder.Write("text.txt", Text), folder.Write("pretrain.yaml", Recipe));
        if (!Directory.Exists(folder["tokenizer"]))
        {
            using var terminal = new Terminal();
            Assert.Equal(0, terminal.Run("tokenizer", "train", text, "--vocab-size", "280", "--out", folder["tokenizer"]));
        }
        return ["pretrain", recipe, "--out", folder[run], "--set", $"tokenizer={folder["tokenizer"]}", "--set", $"data.train={text}"];
    }

    /// <summary>Output that presses Ctrl-C when a certain text comes by.</summary>
    private sealed class PressOn(string text, Interrupts interrupts) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.Contains(text) == true) interrupts.Press();
        }
    }
}
