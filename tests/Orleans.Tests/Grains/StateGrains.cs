using System.Collections.Immutable;
using Orleans.Storage;

namespace Vigil.Orleans.Tests.Grains;

public enum Mood
{
    Calm,
    Cross,
}

[GenerateSerializer]
public sealed record Part([property: Id(0)] string Name, [property: Id(1)] double Weight);

[GenerateSerializer]
public sealed record LedgerState
{
    [Id(0)]
    public int Count { get; set; }

    [Id(1)]
    public List<Part> Parts { get; set; } = [];

    [Id(2)]
    public Dictionary<string, DateTimeOffset> Seen { get; set; } = [];

    [Id(3)]
    public ImmutableArray<string> Tags { get; init; } = [];

    [Id(4)]
    public Mood Mood { get; set; }

    [Id(5)]
    public TimeSpan? Wait { get; set; }

    [Id(6)]
    public double Score { get; set; }
}

public interface ILedgerGrain : IGrainWithStringKey
{
    Task<int> Add(string part);

    Task<LedgerState> Read();

    Task<(string? Etag, bool Exists)> Version();

    Task Clear();

    Task Refresh();

    Task<Guid> Activation();

    Task<string> AddAndCatch(string part);
}

public sealed class LedgerGrain([PersistentState("ledger", "state")] IPersistentState<LedgerState> ledger) : Grain, ILedgerGrain
{
    private readonly Guid activation = Guid.NewGuid();

    public async Task<int> Add(string part)
    {
        ledger.State.Count++;
        ledger.State.Parts.Add(new Part(part, 0.1 + 0.2));
        ledger.State.Seen[part] = new DateTimeOffset(2026, 1, 5, 12, 0, 0, TimeSpan.FromHours(2));
        ledger.State.Mood = Mood.Cross;
        ledger.State.Wait = TimeSpan.FromMinutes(1.5);
        ledger.State.Score = double.PositiveInfinity;
        await ledger.WriteStateAsync();
        return ledger.State.Count;
    }

    public Task<LedgerState> Read() => Task.FromResult(ledger.State);

    public Task<(string? Etag, bool Exists)> Version() => Task.FromResult((ledger.Etag, ledger.RecordExists));

    public Task Clear() => ledger.ClearStateAsync();

    public Task Refresh() => ledger.ReadStateAsync();

    public Task<Guid> Activation() => Task.FromResult(activation);

    public async Task<string> AddAndCatch(string part)
    {
        try
        {
            await Add(part);
            return "";
        }
        catch (InconsistentStateException e)
        {
            return $"{e.StoredEtag}/{e.CurrentEtag}";
        }
    }
}
