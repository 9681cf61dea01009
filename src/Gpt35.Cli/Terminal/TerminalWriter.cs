using System.Text;

namespace Gpt35.Cli.Terminal;

/// <summary>A terminal that may be closed while a run goes on: what can no longer be shown is left out, because a run must not fail for want of somebody who looks on.</summary>
internal sealed class TerminalWriter(TextWriter terminal) : TextWriter
{
    public override Encoding Encoding => terminal.Encoding;

    public override IFormatProvider FormatProvider => terminal.FormatProvider;

    public override void Write(char value) => Try(() => terminal.Write(value));

    public override void Write(string? value) => Try(() => terminal.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => terminal.Write(buffer, index, count));

    public override void WriteLine(string? value) => Try(() => terminal.WriteLine(value));

    public override void Flush() => Try(terminal.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException)
        {
        }
    }
}
