using System.Globalization;

namespace Gpt35.Training;

/// <summary>How this process was started, as far as the launcher says so in its environment.</summary>
/// <param name="Rank">0 … Count − 1.</param>
/// <param name="Count">Processes that were started together.</param>
/// <param name="Joins">Whether Open MPI can find the others.</param>
/// <param name="Launcher">Who started them, with the variable that says so; for messages.</param>
internal readonly record struct Launch(int Rank, int Count, bool Joins, string Launcher)
{
    /// <summary>Started on its own.</summary>
    private static readonly Launch Alone = new(0, 1, true, "");

    /// <param name="variable">The value of an environment variable, or null.</param>
    public static Launch Of(Func<string, string?> variable)
    {
        var pmix = Number("PMIX_RANK");
        // mpirun is asked first: inside a Slurm job its processes have Slurm's variables, too, which then speak of the job.
        if (pmix is { } rank && Number("OMPI_COMM_WORLD_SIZE") is { } size) return Several(rank, size, true, "mpirun (OMPI_COMM_WORLD_SIZE)");
        // The number of the step, not SLURM_NTASKS: a batch script, which runs once, has that of its job.
        if (Number("SLURM_STEP_NUM_TASKS") is { } tasks) return Several(Number("SLURM_PROCID") ?? 0, tasks, pmix is not null, "srun (SLURM_STEP_NUM_TASKS)");
        if (Number("PMI_SIZE") is { } processes) return Several(Number("PMI_RANK") ?? 0, processes, false, "the mpirun of another MPI (PMI_SIZE)");
        return Alone;

        int? Number(string name) => int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>Why these processes cannot train together, and what to do; null where they can. Going on would be to train the same model <see cref="Count"/> times.</summary>
    public string? Fault => Joins ? null
        : $"Started as {Count} processes by {Launcher} without PMIx, through which Open MPI finds the others: each would train alone, all in one run folder. "
            + (Launcher.StartsWith("srun", StringComparison.Ordinal)
                ? "Start with 'srun --mpi=pmix' ('srun --mpi=list' must name pmix), with mpirun inside the job, or as one with 'srun -n 1'."
                : "Start with the mpirun of Open MPI 4 or 5 (Debian: apt install openmpi-bin), or without mpirun.");

    private static Launch Several(int rank, int count, bool joins, string launcher) => count > 1 ? new Launch(rank, count, joins, launcher) : Alone;
}
