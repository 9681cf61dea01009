namespace Gpt35.Inference.Scheduling;

/// <summary>
/// Samples that wait. The highest priority goes first; among equal ones tenants take turns so that each is served as many tokens as the others (start-time fair
/// queueing, Goyal et al. 1996: who comes anew starts level with those who are there); within a tenant, first come, first served.
/// </summary>
internal sealed class RequestQueue
{
    private readonly Dictionary<string, Tenant> tenants = [];
    private long virtualTime;

    public int Count { get; private set; }

    /// <summary>Tenants that wait or run.</summary>
    public int Tenants => tenants.Count;

    public void Add(Sample sample)
    {
        var tenant = TenantOf(sample);
        if (tenant.IsIdle) tenant.Served = Math.Max(tenant.Served, virtualTime);
        var place = tenant.Waiting.Count;
        while (place > 0 && Precedes(sample, tenant.Waiting[place - 1])) place--;
        tenant.Waiting.Insert(place, sample);
        Count++;
    }

    /// <summary>The sample whose turn it is; null where none waits.</summary>
    public Sample? Peek()
    {
        Tenant? best = null;
        foreach (var tenant in tenants.Values)
        {
            if (tenant.Waiting.Count == 0) continue;
            if (best is null) best = tenant;
            else
            {
                Sample a = tenant.Waiting[0], b = best.Waiting[0];
                if (a.Priority > b.Priority || (a.Priority == b.Priority && (tenant.Served, a.Order).CompareTo((best.Served, b.Order)) < 0)) best = tenant;
            }
        }
        return best?.Waiting[0];
    }

    /// <summary>Takes out the sample whose turn it is; it counts as running until <see cref="Leave"/>.</summary>
    public Sample Take()
    {
        var sample = Peek()!;
        var tenant = TenantOf(sample);
        tenant.Waiting.RemoveAt(0);
        tenant.Running++;
        virtualTime = Math.Max(virtualTime, tenant.Served);
        Count--;
        return sample;
    }

    /// <summary>A sample that did not wait, a further one of a request, counts as running.</summary>
    public void Join(Sample sample) => TenantOf(sample).Running++;

    /// <summary>A running sample has left, for good or to wait again.</summary>
    public void Leave(Sample sample)
    {
        var tenant = TenantOf(sample);
        tenant.Running--;
        Prune(sample, tenant);
    }

    /// <summary>A waiting sample gives up.</summary>
    public bool Remove(Sample sample)
    {
        var tenant = TenantOf(sample);
        var found = tenant.Waiting.Remove(sample);
        if (found) Count--;
        Prune(sample, tenant);
        return found;
    }

    /// <summary>Notes tokens that were computed for a sample.</summary>
    public void Serve(Sample sample, int tokens) => TenantOf(sample).Served += tokens;

    /// <summary>Whether a goes before b in memory and in steps.</summary>
    internal static bool Precedes(Sample a, Sample b) => a.Priority > b.Priority || (a.Priority == b.Priority && a.Order < b.Order);

    private Tenant TenantOf(Sample sample)
    {
        if (tenants.TryGetValue(sample.Generation.Request.Tenant, out var tenant)) return tenant;
        return tenants[sample.Generation.Request.Tenant] = new Tenant();
    }

    /// <summary>Nothing is kept of tenants that are not there: names may come from outside.</summary>
    private void Prune(Sample sample, Tenant tenant)
    {
        if (tenant.IsIdle) tenants.Remove(sample.Generation.Request.Tenant);
    }

    private sealed class Tenant
    {
        public List<Sample> Waiting { get; } = [];
        public int Running { get; set; }
        /// <summary>Tokens computed, in virtual time.</summary>
        public long Served { get; set; }
        public bool IsIdle => Waiting.Count == 0 && Running == 0;
    }
}
