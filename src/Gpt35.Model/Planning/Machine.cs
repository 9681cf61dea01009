namespace Gpt35.Model;

/// <summary>What a plan needs to know of the machine that computes.</summary>
/// <param name="Name">As it is given to <c>--machine</c>.</param>
/// <param name="Description">In words.</param>
/// <param name="Fp32">Operations per second in single precision.</param>
/// <param name="Bf16">Operations per second in half precision with single-precision sums.</param>
/// <param name="MemoryBytes">Memory that weights and activations share.</param>
/// <param name="Utilisation">Share of those operations that a whole training step is expected to use.</param>
public sealed record Machine(string Name, string Description, double Fp32, double Bf16, long MemoryBytes, double Utilisation)
{
    private const long GiB = 1L << 30;
    private const double Tera = 1e12;

    /// <summary>
    /// Accelerators with the dense peak of their data sheets. The utilisation is an assumption: published runs reached 21 % (GPT-3, on V100), 30 to 33 %
    /// (Megatron-Turing NLG, Gopher) and 46 % (PaLM) of theirs (Chowdhery et al. 2022, table 3).
    /// </summary>
    public static IReadOnlyList<Machine> Known { get; } =
    [
        new("t4", "NVIDIA T4, 16 GB", 8.1 * Tera, 65 * Tera, 16 * GiB, 0.25),
        new("v100", "NVIDIA V100 SXM2, 32 GB", 15.7 * Tera, 125 * Tera, 32 * GiB, 0.25),
        new("l4", "NVIDIA L4, 24 GB", 30.3 * Tera, 121 * Tera, 24 * GiB, 0.30),
        new("rtx3090", "NVIDIA GeForce RTX 3090, 24 GB", 35.6 * Tera, 71 * Tera, 24 * GiB, 0.35),
        new("rtx4090", "NVIDIA GeForce RTX 4090, 24 GB", 82.6 * Tera, 165 * Tera, 24 * GiB, 0.35),
        new("a100-40", "NVIDIA A100 SXM, 40 GB", 19.5 * Tera, 312 * Tera, 40 * GiB, 0.40),
        new("a100", "NVIDIA A100 SXM, 80 GB", 19.5 * Tera, 312 * Tera, 80 * GiB, 0.40),
        new("h100", "NVIDIA H100 SXM, 80 GB", 66.9 * Tera, 989 * Tera, 80 * GiB, 0.40),
    ];

    /// <exception cref="InvalidDataException">There is none of that name; the message lists them.</exception>
    public static Machine Get(string name) => Known.FirstOrDefault(machine => machine.Name == name)
        ?? throw new InvalidDataException($"there is no machine \"{name}\". Known are {string.Join(", ", Known.Select(machine => machine.Name))}; without one, this machine is measured.");

    /// <summary>Operations per second of training in a number format, utilisation included.</summary>
    public double Sustained(Dtype format) => Utilisation * (format == Dtype.Fp32 ? Fp32 : Bf16);
}
