namespace Gpt35.Inference;

/// <summary>As many requests wait as may; try again later.</summary>
public sealed class QueueFullException(int waiting) : Exception($"{waiting} requests wait already, as many as may. Try again later.");
