using System.Diagnostics;
using System.Globalization;

namespace Gpt35.EndToEnd.Tests;

/// <summary>
/// Two network namespaces joined by a virtual cable, each with an address and a host name of its own: two machines to Open MPI, which starts its processes on the
/// second one by a remote shell and reaches them over TCP. Memory and files are this machine's.
/// </summary>
internal sealed class TwoMachines : IDisposable
{
    private static readonly string[] Names = [$"gpt35-{Environment.ProcessId}-a", $"gpt35-{Environment.ProcessId}-b"];
    private static readonly string[] Addresses = ["10.35.0.1", "10.35.0.2"];
    private static readonly string[] Ends = [$"g35a{Environment.ProcessId % 1_000_000}", $"g35b{Environment.ProcessId % 1_000_000}"];

    private readonly string remoteShell = Path.GetTempFileName();

    private TwoMachines() =>
        // What stands for "ssh": the host's name first, which is always the second machine's, then the command line.
        File.WriteAllText(remoteShell, $"""
            shift
            exec nsenter --net=/run/netns/{Names[1]} unshare --uts sh -c "hostname machine-b; $*"

            """);

    /// <summary>Bytes that have gone from the first machine to the second.</summary>
    public long BytesSent => long.Parse(Run("ip", "netns", "exec", Names[0], "cat", $"/sys/class/net/{Ends[0]}/statistics/tx_bytes").Output, CultureInfo.InvariantCulture);

    /// <summary>Makes them; null where that is not possible.</summary>
    public static TwoMachines? Make()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess) return null;
        var machines = new TwoMachines();
        string[][] commands =
        [
            ["netns", "add", Names[0]], ["netns", "add", Names[1]], ["link", "add", Ends[0], "netns", Names[0], "type", "veth", "peer", "name", Ends[1], "netns", Names[1]],
            .. Enumerable.Range(0, 2).SelectMany(i => (string[][])
            [
                ["-n", Names[i], "addr", "add", $"{Addresses[i]}/24", "dev", Ends[i]], ["-n", Names[i], "link", "set", "lo", "up"], ["-n", Names[i], "link", "set", Ends[i], "up"],
            ]),
        ];
        if (commands.All(command => Run("ip", command).Succeeded)) return machines;
        machines.Dispose();
        return null;
    }

    /// <summary>Starts the program under mpirun on the first machine, as one process on each.</summary>
    public Process Launch(string mpirun, IEnumerable<string> arguments) => TinyStages.Start(arguments,
        "nsenter", $"--net=/run/netns/{Names[0]}", "unshare", "--uts", "sh", "-c", "hostname machine-a; exec \"$0\" \"$@\"",
        mpirun, "--host", string.Join(',', Addresses.Select(address => $"{address}:1")), "--allow-run-as-root", "--bind-to", "none", "--mca", "plm_rsh_agent", $"sh {remoteShell}", "-np", "2");

    public void Dispose()
    {
        // The cable goes with its ends.
        foreach (var name in Names) Run("ip", "netns", "delete", name);
        File.Delete(remoteShell);
    }

    private static (bool Succeeded, string Output) Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode == 0, output);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return (false, "");                                        // no such program
        }
    }
}
