using Spectre.Console;

namespace Gpt35.Cli.Tests;

/// <summary>A session whose terminal is made of strings.</summary>
internal sealed class Terminal : IDisposable
{
    private readonly StringWriter output = new(), error = new();
    private readonly List<byte> bytes = [];

    public Terminal(string input = "", int width = 80, bool live = false)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = live ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = live ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new FixedWidth(output, width),
        });
        Session = new Session
        {
            In = new StringReader(input),
            Out = output,
            Error = error,
            OpenInput = () => new MemoryStream(System.Text.Encoding.UTF8.GetBytes(input)),
            OpenOutput = () => new ByteOutput(bytes),
            Console = console,
            Interrupts = new Interrupts(),
            Live = live,
            Width = width,
            Time = Clock,
        };
    }

    public Session Session { get; }
    public ManualTime Clock { get; } = new();
    public string Out => output.ToString();
    public string Error => error.ToString();
    /// <summary>What was written as bytes.</summary>
    public byte[] Bytes => [.. bytes];

    /// <summary>Runs a command line as the program would.</summary>
    public int Run(params string[] args) => CommandLine.Run(args, Session);

    public void Dispose() => Session.Dispose();

    private sealed class ByteOutput(List<byte> bytes) : MemoryStream
    {
        protected override void Dispose(bool disposing)
        {
            if (CanRead) bytes.AddRange(ToArray());
            base.Dispose(disposing);
        }
    }

    private sealed class FixedWidth(TextWriter writer, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;
        public bool IsTerminal => true;
        public int Width => width;
        public int Height => 25;
        public void SetEncoding(System.Text.Encoding encoding) { }
    }
}

/// <summary>A clock that moves when told.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => ticks;
    public void Advance(double seconds) => ticks += (long)(seconds * TimeSpan.TicksPerSecond);
}

/// <summary>A folder that is deleted afterwards.</summary>
internal sealed class TemporaryFolder(bool inMemory = false) : IDisposable
{
    private const string Memory = "/dev/shm";

    /// <summary>In memory, where the system has such a place, for tests that flush to the disk all the time.</summary>
    public string Path { get; } = inMemory && Directory.Exists(Memory)
        ? Directory.CreateDirectory(System.IO.Path.Combine(Memory, $"gpt35-{Guid.NewGuid():N}")).FullName
        : Directory.CreateTempSubdirectory("gpt35-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
