namespace Vigil.Orleans.Tests.Grains;

public interface ILifeGrain : IGrainWithStringKey
{
    /// <summary>Which activation this is, and how many calls it has had.</summary>
    Task<(Guid Activation, int Calls)> Touch();

    Task Go();

    Task GoWhile(string gate);

    Task Stay(TimeSpan time);
}

public sealed class LifeGrain(Probe probe) : Grain, ILifeGrain
{
    private readonly Guid activation = Guid.NewGuid();
    private int calls;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        probe.Mark($"activate:{key}");
        if (key.StartsWith("slow", StringComparison.Ordinal)) await probe.Gate("activate");
        if (key.StartsWith("bad", StringComparison.Ordinal) && probe.Count($"activate:{key}") == 1)
        {
            await Task.Yield();
            throw new BasketException("not today", 7);
        }
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        probe.Log.Enqueue($"{key}:{reason.ReasonCode}");
        probe.Mark($"deactivate:{key}");
        if (key.StartsWith("lingering", StringComparison.Ordinal)) await probe.Gate("deactivate");
        probe.Mark($"deactivated:{key}");
    }

    public Task<(Guid Activation, int Calls)> Touch() => Task.FromResult((activation, ++calls));

    public Task Go()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public async Task GoWhile(string gate)
    {
        DeactivateOnIdle();
        probe.Mark($"going:{gate}");
        await probe.Gate(gate);
    }

    public Task Stay(TimeSpan time)
    {
        DelayDeactivation(time);
        return Task.CompletedTask;
    }
}
