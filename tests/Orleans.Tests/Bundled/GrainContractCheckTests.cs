using Orleans.Concurrency;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

public sealed class GrainContractCheckTests
{
    [Theory]
    [InlineData(typeof(ILedgerGrain))]
    [InlineData(typeof(LedgerGrain))]
    [InlineData(typeof(LedgerState))]
    [InlineData(typeof(IGateGrain))]
    [InlineData(typeof(Reading))]
    [InlineData(typeof(Stamp))]
    [InlineData(typeof(IGood))]
    [InlineData(typeof(Implicit))]
    public void Contract_ThatIsSound_HasNoProblems(Type type) => Assert.Empty(GrainContractCheck.Problems(type));

    [Theory]
    [InlineData(typeof(IReturnsInt), "returns System.Int32, but must be a Task")]
    [InlineData(typeof(IReturnsStream), "which the bundled silo does not carry")]
    [InlineData(typeof(IHasProperty), "no properties")]
    [InlineData(typeof(IGenericMethod), "no generic grain methods")]
    [InlineData(typeof(IByReference), "parameter value: is passed by reference")]
    [InlineData(typeof(ITwoTokens), "more than one CancellationToken")]
    [InlineData(typeof(ITakesDelegate), "is a delegate")]
    [InlineData(typeof(ITakesUnmarked), "Unmarked is not marked with [GenerateSerializer]")]
    [InlineData(typeof(IReturnsUnmarkedDeep), "Unmarked is not marked with [GenerateSerializer]")]
    [InlineData(typeof(ITakesClass), "is a grain class: use its interface")]
    [InlineData(typeof(IOneWayResult), "cannot have a result")]
    [InlineData(typeof(Twice), "First and Second share [Id(0)]")]
    [InlineData(typeof(Forgotten), "Forgotten.Lost: has no [Id]")]
    [InlineData(typeof(NotMarked), "has [Id] but its type has no [GenerateSerializer]")]
    [InlineData(typeof(Derived), "is not marked with [GenerateSerializer], so what that holds is lost")]
    [InlineData(typeof(HoldsUnmarked), "HoldsUnmarked.Value: ")]
    [InlineData(typeof(ITakesProtobuf), "is a protobuf message")]
    [InlineData(typeof(BadStateGrain), "stored state state")]
    public void Contract_WithProblem_IsReportedByName(Type type, string problem) =>
        Assert.Contains(GrainContractCheck.Problems(type), found => found.Contains(problem, StringComparison.Ordinal));

    [Fact]
    public void Type_ThatGeneratedCodeCannotReach_IsReported() =>
        Assert.Contains("is private or protected", Assert.Single(GrainContractCheck.Problems(Outer.Private)), StringComparison.Ordinal);

    [Fact]
    public void Aliases_UsedTwice_AreReported() =>
        Assert.Contains("share the alias \"same\"", Assert.Single(GrainContractCheck.Problems(typeof(AliasOne), typeof(AliasTwo))), StringComparison.Ordinal);
}

// Contracts to look at. The official code generator would stop at most of them, so they are compiled with the bundled silo only.
internal interface IGood : IGrainWithStringKey
{
    Task<IReadOnlyList<(string, DateTimeOffset?)>> Many(Dictionary<Guid, double[]> values, IGood other, CancellationToken cancellationToken);

    [OneWay]
    Task Tell(string word);
}

internal interface IReturnsInt : IGrainWithStringKey
{
    int Now();
}

internal interface IReturnsStream : IGrainWithStringKey
{
    IAsyncEnumerable<int> Stream();
}

internal interface IHasProperty : IGrainWithStringKey
{
    int Value { get; }
}

internal interface IGenericMethod : IGrainWithStringKey
{
    Task Take<T>(T value);
}

internal interface IByReference : IGrainWithStringKey
{
    Task Take(ref int value);
}

internal interface ITwoTokens : IGrainWithStringKey
{
    Task Take(CancellationToken first, CancellationToken second);
}

internal interface ITakesDelegate : IGrainWithStringKey
{
    Task Take(Action callback);
}

internal interface ITakesUnmarked : IGrainWithStringKey
{
    Task Take(Unmarked value);
}

internal interface IReturnsUnmarkedDeep : IGrainWithStringKey
{
    Task<List<Dictionary<string, Unmarked[]>>> Get();
}

internal interface ITakesClass : IGrainWithStringKey
{
    Task Take(CallGrain grain);
}

internal interface IOneWayResult : IGrainWithStringKey
{
    [OneWay]
    Task<int> Get();
}

internal interface ITakesProtobuf : IGrainWithStringKey
{
    Task Take(FakeProtobuf message);
}

internal sealed class FakeProtobuf : Google.Protobuf.IMessage;

[GenerateSerializer]
internal sealed record Implicit(string Name, int Count)
{
    [Id(0)]
    public string Extra { get; init; } = "";

    public string Shown => Name + Extra;

    [field: NonSerialized]
    public string? Scratch { get; set; }
}

[GenerateSerializer]
internal sealed class Twice
{
    [Id(0)]
    public int First { get; set; }

    [Id(0)]
    public int Second { get; set; }
}

[GenerateSerializer]
internal sealed class Forgotten
{
    [Id(0)]
    public int Kept { get; set; }

    public int Lost { get; set; }
}

internal sealed class NotMarked
{
    [Id(0)]
    public int Value { get; set; }
}

[GenerateSerializer]
internal sealed class Derived : NotMarked2
{
    [Id(0)]
    public int Own { get; set; }
}

internal class NotMarked2
{
    public int Value { get; set; }
}

internal static class Outer
{
    public static Type Private => typeof(Hidden);

    [GenerateSerializer]
    private sealed class Hidden;
}

[GenerateSerializer]
internal sealed class HoldsUnmarked
{
    [Id(0)]
    public Unmarked? Value { get; set; }
}

internal sealed class BadStateGrain([PersistentState("state", "state")] IPersistentState<Unmarked> state) : Grain
{
    public Unmarked State => state.State;
}

[GenerateSerializer, Alias("same")]
internal sealed class AliasOne;

[GenerateSerializer, Alias("same")]
internal sealed class AliasTwo;
