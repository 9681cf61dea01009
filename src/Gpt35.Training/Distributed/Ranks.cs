using System.Runtime.InteropServices;
using System.Text;

namespace Gpt35.Training;

/// <summary>
/// The processes that train one model together, one <see cref="Rank"/> each, and what they tell one another. All of them call the same methods
/// in the same order. A process on its own is <see cref="One"/>, for which everything here is nothing at all.
/// </summary>
public sealed unsafe class Ranks
{
    /// <summary>Elements of one message: large enough for bandwidth, small enough for MPI's int counts and for staging.</summary>
    internal const int MessageFloats = 1 << 22;

    private static Ranks? joined;
    private readonly Mpi? mpi;

    private Ranks(Mpi? mpi)
    {
        this.mpi = mpi;
        (Rank, Count) = mpi is null ? (0, 1) : (mpi.Rank(), mpi.Size());
    }

    /// <summary>A process on its own.</summary>
    public static Ranks One { get; } = new(null);

    /// <summary>0 … Count − 1.</summary>
    public int Rank { get; }

    public int Count { get; }

    /// <summary>The one that writes files and speaks to the user.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Joins the other processes when this one was started by mpirun, or by srun with PMIx; else <see cref="One"/>.</summary>
    /// <exception cref="InvalidDataException">Started as one of several, and there is no Open MPI, or it does not find the others.</exception>
    public static Ranks Join()
    {
        if (joined is not null) return joined;
        var launch = Started;
        if (launch.Count == 1) return joined = One;
        if (launch.Fault is { } fault) throw new InvalidDataException(fault);
        var ranks = new Ranks(Mpi.Start($"Started as rank {launch.Rank} of {launch.Count}"));
        // An Open MPI that cannot speak with the launcher's PMIx takes itself for the only process.
        if (ranks.Count < launch.Count)
            throw new InvalidDataException(
                $"Started as rank {launch.Rank} of {launch.Count} by {launch.Launcher}, but Open MPI on {Environment.MachineName} finds {ranks.Count} only: it does not understand this launcher's PMIx. "
                + "Start with the mpirun that belongs to this Open MPI.");
        return joined = ranks;
    }

    /// <summary>Whether this process was started as one of several, by what mpirun and srun put into its environment.</summary>
    public static bool AreSeveral => Started.Count > 1;

    /// <summary>Whether this process is to speak to the user, as far as is known before <see cref="Join"/>.</summary>
    public static bool StartedFirst => Started.Rank == 0;

    /// <summary>What keeps the processes that were started together from <see cref="Join"/>ing, the same for each of them; null if nothing.</summary>
    public static string? Fault => Started.Fault;

    private static Launch Started { get; } = Launch.Of(Environment.GetEnvironmentVariable);

    /// <summary>Threads for each rank where the user names none: the cores divided among the ranks that share them.</summary>
    public int DefaultThreads()
    {
        if (Count == 1) return 0;
        // mpirun may have bound each rank to cores of its own; ranks with equal masks on one machine share.
        var mine = $"{Environment.MachineName} {AllowedCores()}";
        var sharers = AllGather(Encoding.UTF8.GetBytes(mine)).Count(other => Encoding.UTF8.GetString(other) == mine);
        return Math.Max(1, Environment.ProcessorCount / sharers);
    }

    /// <summary>Leaves together with the others, at the end of a run. A process that fails just ends, and mpirun ends the others.</summary>
    public void Leave() => mpi?.Finish();

    public void Barrier() => mpi?.Barrier();

    /// <summary>Σ over the ranks.</summary>
    public double Sum(double value)
    {
        if (mpi is not null) mpi.AllReduce(&value, 1, mpi.Double, mpi.Add);
        return value;
    }

    /// <summary>Largest over the ranks.</summary>
    public double Max(double value)
    {
        if (mpi is not null) mpi.AllReduce(&value, 1, mpi.Double, mpi.Maximum);
        return value;
    }

    /// <summary>Whether it holds for any rank.</summary>
    public bool Any(bool value) => mpi is null ? value : Max(value ? 1 : 0) > 0;

    /// <summary>Σ over the ranks, elementwise. Where each element is nonzero on one rank only this puts the parts together, exactly.</summary>
    public void Sum(Span<float> values)
    {
        if (mpi is null) return;
        fixed (float* pointer = values)
            for (long at = 0; at < values.Length; at += MessageFloats)
                mpi.AllReduce(pointer + at, (int)Math.Min(MessageFloats, values.Length - at), mpi.Float, mpi.Add);
    }

    /// <summary>The first rank's number.</summary>
    public double FromFirst(double value)
    {
        if (mpi is not null) mpi.Broadcast(&value, 1, mpi.Double, 0);
        return value;
    }

    /// <summary>
    /// Checks that all ranks have the same of what each reads for itself: copies on several machines may differ, and nothing but the result would tell.
    /// </summary>
    /// <param name="what">What it is; begins the message.</param>
    /// <param name="mine">What tells this rank's from another: a line, or lines of which the first that differs is named.</param>
    /// <exception cref="InvalidDataException">They differ; all ranks throw the same.</exception>
    internal void RequireSame(string what, Func<string> mine)
    {
        if (mpi is null) return;
        var all = AllGather(Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{mine()}")).Select(bytes => Encoding.UTF8.GetString(bytes)).ToList();
        if (Agreement.Difference(what, all) is { } difference) throw new InvalidDataException(difference);
    }

    /// <summary>What every rank gave, in the order of the ranks.</summary>
    public IReadOnlyList<byte[]> AllGather(byte[] mine)
    {
        if (mpi is null) return [mine];
        var all = new byte[Count][];
        for (var rank = 0; rank < Count; rank++)
        {
            double length = mine.Length;
            mpi.Broadcast(&length, 1, mpi.Double, rank);
            all[rank] = rank == Rank ? mine : new byte[(int)length];
            fixed (byte* pointer = all[rank]) mpi.Broadcast(pointer, (int)length, mpi.Byte, rank);
        }
        return all;
    }

    /// <summary>This rank's contiguous share of some items, of about 1/Count of their total size; possibly empty.</summary>
    /// <param name="items">The same on every rank.</param>
    /// <param name="size">Size of an item.</param>
    public IReadOnlyList<int> Share(IReadOnlyList<int> items, Func<int, int> size)
    {
        if (Count == 1) return items;
        var (from, to) = Share(items.Count, i => size(items[i]), Rank, Count);
        return [.. items.Skip(from).Take(to - from)];
    }

    /// <summary>The share of any rank, from its first item to before its last: an item belongs to the rank in whose n-th of the total its middle lies.</summary>
    internal static (int From, int To) Share(int count, Func<int, long> size, int rank, int ranks)
    {
        var total = 0L;
        for (var i = 0; i < count; i++) total += size(i);
        int from = 0, to = 0;
        var before = 0L;
        for (var i = 0; i < count; i++)
        {
            var owner = (int)Int128.Min(ranks - 1, (2 * (Int128)before + size(i)) * ranks / (2 * Math.Max(total, 1)));
            if (owner < rank) from = i + 1;
            if (owner <= rank) to = i + 1;
            before += size(i);
        }
        return (from, to);
    }

    /// <summary>A channel of its own for sums that are begun and go on meanwhile: only those of one channel are begun in the same order everywhere. All ranks open the same ones.</summary>
    internal nint OpenChannel() => mpi?.Duplicate() ?? 0;

    /// <summary>Begins adding up a piece of the gradient into <paramref name="owner"/>'s; see <see cref="GradientExchange"/>.</summary>
    internal nint BeginSum(float* data, int count, int owner, nint channel) => mpi!.BeginSum(data, count, owner, owner == Rank, channel);

    internal void Poke(List<nint> requests)
    {
        if (requests.Count > 0) mpi!.Poke(requests);
    }

    internal void Wait(List<nint> requests)
    {
        if (requests.Count > 0) mpi!.Wait(requests);
    }

    /// <summary>Copies <paramref name="owner"/>'s numbers to all.</summary>
    internal void Broadcast(float* data, long count, int owner)
    {
        for (long at = 0; mpi is not null && at < count; at += MessageFloats)
            mpi.Broadcast(data + at, (int)Math.Min(MessageFloats, count - at), mpi.Float, owner);
    }

    /// <summary>Gives the first rank a message of at most <see cref="MessageFloats"/> numbers.</summary>
    internal void SendToFirst(float* data, int count) => mpi!.Send(data, count, mpi.Float, 0);

    internal void ReceiveFrom(int rank, float* data, int count) => mpi!.Receive(data, count, mpi.Float, rank);

    /// <summary>The cores this process may run on, as the system writes them; empty where it does not tell.</summary>
    private static string AllowedCores() => File.Exists("/proc/self/status")
        ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("Cpus_allowed_list", StringComparison.Ordinal)) ?? ""
        : "";
}
