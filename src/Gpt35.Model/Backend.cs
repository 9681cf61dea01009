namespace Gpt35.Model;

/// <summary>What computes the forward and backward passes of a model in training.</summary>
public enum Backend
{
    /// <summary>Our kernels; needs nothing.</summary>
    Cpu,
    /// <summary>libtorch through TorchSharp, on a GPU where there is one; see <c>docs/backends.md</c>.</summary>
    Torch,
}

/// <summary>What a backend multiplies in. Weights, gradients and optimizer are fp32 in any case.</summary>
public enum Dtype
{
    /// <summary>Single precision.</summary>
    Fp32,
    /// <summary>bfloat16: the exponent of fp32 with 8 bits of precision.</summary>
    Bf16,
}
