using Orleans.Concurrency;

namespace Vigil.Orleans.Tests.Grains;

[GenerateSerializer]
public sealed class Basket
{
    [Id(0)]
    public List<string> Items { get; set; } = [];

    [Id(1)]
    public Basket? Inner { get; set; }

    /// <summary>Not numbered, so it does not travel.</summary>
    [field: NonSerialized]
    public string? Scratch { get; set; }
}

[GenerateSerializer, Immutable]
public sealed record Stamp([property: Id(0)] string Name, [property: Id(1)] List<int> Numbers);

[GenerateSerializer]
public sealed record Reading([property: Id(0)] string Name, [property: Id(1)] double[] Values)
{
    [Id(2)]
    public Dictionary<string, Basket> Baskets { get; init; } = [];
}

public sealed class Unmarked
{
    public int Value { get; set; }
}

[GenerateSerializer]
public sealed class BasketException(string message, int code) : Exception(message)
{
    [Id(0)]
    public int Code { get; } = code;
}

public interface ICallGrain : IGrainWithStringKey
{
    Task<int> Add(int a, int b);

    ValueTask<int> AddLater(int a, int b);

    Task<bool> OnOwnTurnAfterAwait();

    Task<string> Fail(string message);

    Task FailAtOnce(string message);

    Task<Basket> Keep(Basket basket);

    Task<Basket> Kept();

    Task<Stamp> KeepStamp(Stamp stamp);

    Task<bool> IsSameStamp(Stamp stamp);

    Task<Reading> Echo(Reading reading);

    Task<object?> EchoObject(object? value);

    Task<ICallGrain> Self();

    [OneWay]
    Task Tell(string word);

    Task<string?> ReadContext(string key);

    Task<string?> ReadContextOf(ICallGrain other, string key);
}

public sealed class CallGrain(Probe probe) : Grain, ICallGrain
{
    private Basket kept = new();
    private Stamp? stamp;

    public Task<int> Add(int a, int b) => Task.FromResult(a + b);

    public async ValueTask<int> AddLater(int a, int b)
    {
        await Task.Yield();
        return a + b;
    }

    public async Task<bool> OnOwnTurnAfterAwait()
    {
        // What Orleans promises of an await is that nothing else of the grain runs meanwhile on another thread. A counter that is not
        // synchronised shows it.
        var seen = 0;
        async Task Count()
        {
            for (var i = 0; i < 2_000; i++)
            {
                seen++;
                if (i % 100 == 0) await Task.Yield();
            }
        }
        await Task.WhenAll(Count(), Count(), Count(), Count());
        return seen == 8_000;
    }

    public async Task<string> Fail(string message)
    {
        await Task.Yield();
        throw new BasketException(message, 42);
    }

    public Task FailAtOnce(string message) => throw new InvalidOperationException(message);

    public Task<Basket> Keep(Basket basket)
    {
        kept = basket;
        return Task.FromResult(kept);
    }

    public Task<Basket> Kept() => Task.FromResult(kept);

    public Task<Stamp> KeepStamp(Stamp given) => Task.FromResult(stamp = given);

    public Task<bool> IsSameStamp(Stamp given) => Task.FromResult(ReferenceEquals(stamp, given));

    public Task<Reading> Echo(Reading reading) => Task.FromResult(reading);

    public Task<object?> EchoObject(object? value) => Task.FromResult(value);

    public Task<ICallGrain> Self() => Task.FromResult(this.AsReference<ICallGrain>());

    public async Task Tell(string word)
    {
        await probe.Gate("tell");
        probe.Log.Enqueue(word);
        probe.Mark("told");
    }

    public Task<string?> ReadContext(string key) => Task.FromResult(RequestContext.Get(key) as string);

    public Task<string?> ReadContextOf(ICallGrain other, string key) => other.ReadContext(key);
}

public interface IIntegerGrain : IGrainWithIntegerKey
{
    Task<long> Key();
}

public sealed class IntegerGrain : Grain, IIntegerGrain
{
    public Task<long> Key() => Task.FromResult(this.GetPrimaryKeyLong());
}

public interface IGuidGrain : IGrainWithGuidKey
{
    Task<Guid> Key();
}

internal sealed class GuidGrain : Grain, IGuidGrain
{
    public Task<Guid> Key() => Task.FromResult(this.GetPrimaryKey());
}

/// <summary>Internal, as a service's grains are.</summary>
internal interface IHiddenGrain : IGrainWithStringKey
{
    Task<HiddenAnswer> Ask(HiddenQuestion question);
}

[GenerateSerializer, Immutable]
internal sealed record HiddenQuestion([property: Id(0)] string Text);

[GenerateSerializer]
internal readonly record struct HiddenAnswer([property: Id(0)] string Text, [property: Id(1)] int[] Numbers);

internal sealed class HiddenGrain : Grain, IHiddenGrain
{
    public Task<HiddenAnswer> Ask(HiddenQuestion question) => Task.FromResult(new HiddenAnswer(question.Text, [1, 2]));
}
