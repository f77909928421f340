using Orleans;
using Orleans.Runtime;

namespace Vigil.GrainLoad;

public interface ILoadGrain : IGrainWithStringKey
{
    Task<int> Add(int amount);
}

public sealed class LoadGrain : Grain, ILoadGrain
{
    private int sum;

    public Task<int> Add(int amount) => Task.FromResult(sum += amount);
}

[GenerateSerializer]
public sealed class LoadState
{
    [Id(0)]
    public int Value { get; set; }

    [Id(1)]
    public string Note { get; set; } = "some words that make the record as long as most are";
}

public interface IStateLoadGrain : IGrainWithStringKey
{
    Task Save(int value);

    Task<int> Load();

    Task Go();
}

public sealed class StateLoadGrain([PersistentState("load", "state")] IPersistentState<LoadState> state) : Grain, IStateLoadGrain
{
    public Task Save(int value)
    {
        state.State.Value = value;
        return state.WriteStateAsync();
    }

    public Task<int> Load() => Task.FromResult(state.State.Value);

    public Task Go()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}
