namespace Gpt35.Training.Tests;

public sealed class DistributedTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Shares_follow_one_another_cover_everything_and_are_about_equal(int ranks)
    {
        int[] sizes = [.. Enumerable.Range(0, 40).Select(i => 1 + i * 7 % 13)];
        var next = 0;
        for (var rank = 0; rank < ranks; rank++)
        {
            var (from, to) = Ranks.Share(sizes.Length, i => sizes[i], rank, ranks);
            Assert.Equal(next, from);
            Assert.True(Math.Abs(sizes[from..to].Sum() - sizes.Sum() / (double)ranks) <= sizes.Max());
            next = to;
        }
        Assert.Equal(sizes.Length, next);
    }

    [Fact]
    public void With_less_to_do_than_ranks_some_have_nothing()
    {
        var shares = Enumerable.Range(0, 4).Select(rank => Ranks.Share(2, _ => 10, rank, 4)).ToList();
        Assert.Equal(2, shares.Sum(share => share.To - share.From));
        Assert.Contains(shares, share => share.From >= share.To);
        Assert.All(Enumerable.Range(0, 3), rank => Assert.True(Ranks.Share(0, _ => 1, rank, 3) is var (from, to) && from == to));
    }

    [Theory]
    [InlineData(1, 10_000)]
    [InlineData(2, 10_000)]
    [InlineData(3, 5_000_001)]
    [InlineData(8, 4_095)]
    public void Shards_are_pieces_of_the_flat_buffer_from_its_end_to_its_beginning(int ranks, long count)
    {
        var end = count;
        foreach (var (offset, length, owner) in GradientExchange.Pieces(count, ranks))
        {
            Assert.Equal(end, offset + length);                           // no gap, no overlap, backwards
            var (from, to) = GradientExchange.Shard(count, owner, ranks);
            Assert.InRange(offset, from, to - length);
            end = offset;
        }
        Assert.Equal(0, end);
        Assert.Equal(count, Enumerable.Range(0, ranks).Sum(rank => GradientExchange.Shard(count, rank, ranks) is var (from, to) ? to - from : 0));
    }

    [Theory]
    [InlineData("", 0, 1, true)]
    [InlineData("PMIX_RANK=1 OMPI_COMM_WORLD_SIZE=3", 1, 3, true)]                                            // mpirun
    [InlineData("PMIX_RANK=1 OMPI_COMM_WORLD_SIZE=3 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0", 1, 3, true)]     // mpirun in a job: its processes on another machine descend from a step
    [InlineData("PMIX_RANK=0 OMPI_COMM_WORLD_SIZE=1 SLURM_NTASKS=4", 0, 1, true)]
    [InlineData("PMIX_RANK=3 SLURM_PROCID=3 SLURM_STEP_NUM_TASKS=4 SLURM_NTASKS=4", 3, 4, true)]             // srun --mpi=pmix
    [InlineData("PMIX_RANK=0 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=4", 0, 1, true)]             // a step of one in a job of four
    [InlineData("SLURM_PROCID=0 SLURM_NTASKS=4", 0, 1, true)]                                                // a batch script
    [InlineData("SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_NTASKS=2", 1, 2, false)]                        // srun --mpi=none
    [InlineData("SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 PMI_RANK=1 PMI_SIZE=2", 1, 2, false)]                 // srun --mpi=pmi2
    [InlineData("PMI_RANK=1 PMI_SIZE=2", 1, 2, false)]                                                       // MPICH's mpirun
    [InlineData("PMI_RANK=0 PMI_SIZE=1", 0, 1, true)]
    public void What_the_launcher_says_tells_who_trains_together(string environment, int rank, int count, bool joins)
    {
        var variables = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
        var launch = Launch.Of(name => variables.GetValueOrDefault(name));
        Assert.Equal((rank, count, joins), (launch.Rank, launch.Count, launch.Joins));
        Assert.Equal(joins, launch.Fault is null);
    }

    [Fact]
    public void The_first_difference_between_ranks_is_named_with_its_machine()
    {
        Assert.Null(Agreement.Difference("The recipe", ["alpha\na: 1\nb: 2", "beta\na: 1\nb: 2"]));
        var difference = Agreement.Difference("The recipe", ["alpha\na: 1\nb: 2", "alpha\na: 1\nb: 2", "beta\na: 1\nb: 3\nc: 4"]);
        Assert.StartsWith("The recipe: rank 2, on beta, has \"b: 3\", and rank 0, on alpha, has \"b: 2\".", difference);
        Assert.Contains("has nothing there, and", Agreement.Difference("The recipe", ["alpha\na: 1\nb: 2", "beta\na: 1"]));
    }

    [Fact]
    public void A_process_on_its_own_needs_no_mpi()
    {
        Assert.Same(Ranks.One, Ranks.Join());
        Assert.Equal((0, 1, true), (Ranks.One.Rank, Ranks.One.Count, Ranks.One.IsFirst));
        Assert.Equal(3.5, Ranks.One.Sum(3.5));
        Assert.Equal([1, 2, 3], Ranks.One.Share([1, 2, 3], _ => 1));
        Ranks.One.Leave();
    }
}
