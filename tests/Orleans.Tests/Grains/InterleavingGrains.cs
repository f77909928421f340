using Orleans.Concurrency;

namespace Vigil.Orleans.Tests.Grains;

public interface IGateGrain : IGrainWithStringKey
{
    /// <summary>Marks "in:name", waits at the gate "name", marks "out:name".</summary>
    Task Pass(string name);

    [AlwaysInterleave]
    Task PassAlways(string name);

    [ReadOnly]
    Task PassReading(string name);

    /// <summary>Calls <paramref name="other"/>, which calls back here.</summary>
    Task<string> Ping(IGateGrain other, bool allow);

    Task<string> Pong(IGateGrain back);

    Task<string> Ball();

    Task PassCancellable(string name, CancellationToken cancellationToken);
}

public abstract class GateGrainBase(Probe probe) : Grain, IGateGrain
{
    private int inside;

    public async Task Pass(string name)
    {
        inside++;
        probe.Log.Enqueue($"in:{name}");
        probe.Mark($"in:{name}");
        await probe.Gate(name);
        probe.Log.Enqueue($"out:{name}");
        inside--;
    }

    public Task PassAlways(string name) => Pass(name);

    public Task PassReading(string name) => Pass(name);

    public async Task<string> Ping(IGateGrain other, bool allow)
    {
        if (!allow) return await other.Pong(this.AsReference<IGateGrain>());
        using (RequestContext.AllowCallChainReentrancy()) return await other.Pong(this.AsReference<IGateGrain>());
    }

    public Task<string> Pong(IGateGrain back) => back.Ball();

    public Task<string> Ball() => Task.FromResult("ball");

    public async Task PassCancellable(string name, CancellationToken cancellationToken)
    {
        probe.Mark($"in:{name}");
        try
        {
            await probe.Gate(name).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            probe.Mark($"cancelled:{name}");
            throw;
        }
    }
}

public sealed class GateGrain(Probe probe) : GateGrainBase(probe);

[Reentrant]
public sealed class OpenGateGrain(Probe probe) : GateGrainBase(probe);
