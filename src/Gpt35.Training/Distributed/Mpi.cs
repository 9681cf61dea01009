using System.Runtime.InteropServices;

namespace Gpt35.Training;

/// <summary>
/// The few functions of Open MPI that training needs (MPI 3.1), found at run time: nothing is linked, and a program that is not started under
/// mpirun never looks for the library. Errors end the whole job inside MPI (MPI_ERRORS_ARE_FATAL, its default), so return codes say nothing new.
/// </summary>
internal sealed unsafe class Mpi
{
    private static readonly string[] Names = OperatingSystem.IsMacOS() ? ["libmpi.40.dylib", "libmpi.dylib"] : ["libmpi.so.40", "libmpi.so"];
    private const int Serialized = 2;

    private readonly delegate* unmanaged[Cdecl]<void*, void*, int, int*, int> initThread;
    private readonly delegate* unmanaged[Cdecl]<int> finalize;
    private readonly delegate* unmanaged[Cdecl]<nint, int*, int> commRank, commSize;
    private readonly delegate* unmanaged[Cdecl]<nint, nint*, int> commDup;
    private readonly delegate* unmanaged[Cdecl]<nint, int> barrier;
    private readonly delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int> allreduce;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int> bcast;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, int> send;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, void*, int> receive;
    private readonly delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, int, nint, nint*, int> ireduce;
    private readonly delegate* unmanaged[Cdecl]<int, nint*, int*, void*, int> testall;
    private readonly delegate* unmanaged[Cdecl]<int, nint*, void*, int> waitall;

    private readonly nint world;

    private Mpi(nint library)
    {
        // Open MPI's handles are the addresses of these objects; other implementations number theirs.
        nint Of(string name) => NativeLibrary.TryGetExport(library, name, out var address) ? address
            : throw new InvalidDataException($"The MPI library that was found has no {name}; expected Open MPI 4 or 5. Install it (Debian: apt install openmpi-bin) and start with its mpirun.");
        world = Of("ompi_mpi_comm_world");
        (Float, Double, Byte, Add, Maximum) = (Of("ompi_mpi_float"), Of("ompi_mpi_double"), Of("ompi_mpi_byte"), Of("ompi_mpi_op_sum"), Of("ompi_mpi_op_max"));
        initThread = (delegate* unmanaged[Cdecl]<void*, void*, int, int*, int>)Of("MPI_Init_thread");
        finalize = (delegate* unmanaged[Cdecl]<int>)Of("MPI_Finalize");
        commRank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Of("MPI_Comm_rank");
        commSize = (delegate* unmanaged[Cdecl]<nint, int*, int>)Of("MPI_Comm_size");
        commDup = (delegate* unmanaged[Cdecl]<nint, nint*, int>)Of("MPI_Comm_dup");
        barrier = (delegate* unmanaged[Cdecl]<nint, int>)Of("MPI_Barrier");
        allreduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int>)Of("MPI_Allreduce");
        bcast = (delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int>)Of("MPI_Bcast");
        send = (delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, int>)Of("MPI_Send");
        receive = (delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, void*, int>)Of("MPI_Recv");
        ireduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, int, nint, nint*, int>)Of("MPI_Ireduce");
        testall = (delegate* unmanaged[Cdecl]<int, nint*, int*, void*, int>)Of("MPI_Testall");
        waitall = (delegate* unmanaged[Cdecl]<int, nint*, void*, int>)Of("MPI_Waitall");
        int provided;
        // Calls come from whichever thread runs the stage, one at a time.
        initThread(null, null, Serialized, &provided);
        if (provided < Serialized)
            throw new InvalidDataException($"Open MPI offers thread level {provided} of the {Serialized} (MPI_THREAD_SERIALIZED) that training needs; it was built without threads. Install another build.");
    }

    public nint Float { get; }
    public nint Double { get; }
    public nint Byte { get; }
    public nint Add { get; }
    public nint Maximum { get; }

    /// <summary>What stands for "the receive buffer holds the input".</summary>
    private static void* InPlace => (void*)1;

    /// <exception cref="InvalidDataException">There is no Open MPI.</exception>
    public static Mpi Start(string startedAs)
    {
        foreach (var name in Names)
            if (NativeLibrary.TryLoad(name, out var library)) return new Mpi(library);
        throw new InvalidDataException($"{startedAs}, but {Names[0]} cannot be loaded. Install Open MPI on every machine of the run (Debian: apt install openmpi-bin), or start without mpirun.");
    }

    public int Rank()
    {
        int rank;
        commRank(world, &rank);
        return rank;
    }

    public int Size()
    {
        int size;
        commSize(world, &size);
        return size;
    }

    public void Barrier() => barrier(world);

    public void Finish() => finalize();

    public void AllReduce(void* data, int count, nint type, nint operation) => allreduce(InPlace, data, count, type, operation, world);

    public void Broadcast(void* data, int count, nint type, int root) => bcast(data, count, type, root, world);

    public void Send(void* data, int count, nint type, int to) => send(data, count, type, to, 0, world);

    public void Receive(void* data, int count, nint type, int from) => receive(data, count, type, from, 0, world, null);

    /// <summary>Another communicator of all ranks.</summary>
    public nint Duplicate()
    {
        nint communicator;
        commDup(world, &communicator);
        return communicator;
    }

    /// <summary>Begins adding up <paramref name="data"/> over all ranks into that of <paramref name="root"/>; nobody touches it until the request is done.</summary>
    public nint BeginSum(float* data, int count, int root, bool isRoot, nint communicator)
    {
        nint request;
        if (isRoot) ireduce(InPlace, data, count, Float, Add, root, communicator, &request);
        else ireduce(data, null, count, Float, Add, root, communicator, &request);
        return request;
    }

    /// <summary>Lets begun sums move on; Open MPI works on them only while it is being called.</summary>
    public void Poke(List<nint> requests)
    {
        int done;
        fixed (nint* pointer = CollectionsMarshal.AsSpan(requests)) testall(requests.Count, pointer, &done, null);
        if (done != 0) requests.Clear();
    }

    public void Wait(List<nint> requests)
    {
        fixed (nint* pointer = CollectionsMarshal.AsSpan(requests)) waitall(requests.Count, pointer, null);
        requests.Clear();
    }
}
