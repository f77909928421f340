using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

public sealed class CallTests : IAsyncLifetime
{
    private TestSilo silo = null!;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await silo.DisposeAsync();

    [Fact]
    public async Task Call_WithArguments_ReturnsResult()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("a");
        Assert.Equal(5, await grain.Add(2, 3).DefaultTimeout());
        Assert.Equal(7, await grain.AddLater(3, 4).DefaultTimeout());
    }

    [Fact]
    public async Task Keys_OfEveryKind_AreReadBackByTheGrain()
    {
        var guid = Guid.NewGuid();
        Assert.Equal("a/b+c d", silo.Grains.GetGrain<ICallGrain>("a/b+c d").GetPrimaryKeyString());
        Assert.Equal(long.MinValue, await silo.Grains.GetGrain<IIntegerGrain>(long.MinValue).Key().DefaultTimeout());
        Assert.Equal(31, await silo.Grains.GetGrain<IIntegerGrain>(31).Key().DefaultTimeout());
        Assert.Equal(guid, await silo.Grains.GetGrain<IGuidGrain>(guid).Key().DefaultTimeout());
    }

    [Fact]
    public async Task Call_OfInternalInterfaceAndTypes_Works()
    {
        var answer = await silo.Grains.GetGrain<IHiddenGrain>("h").Ask(new HiddenQuestion("why")).DefaultTimeout();
        Assert.Equal("why", answer.Text);
        Assert.Equal([1, 2], answer.Numbers);
    }

    [Fact]
    public async Task Await_InGrain_ComesBackToItsTurn() =>
        Assert.True(await silo.Grains.GetGrain<ICallGrain>("a").OnOwnTurnAfterAwait().DefaultTimeout());

    [Fact]
    public async Task Exception_OfGrain_ReachesCallerWithTypeMembersAndStack()
    {
        var thrown = await Assert.ThrowsAsync<BasketException>(() => silo.Grains.GetGrain<ICallGrain>("a").Fail("broken").DefaultTimeout());
        Assert.Equal("broken", thrown.Message);
        Assert.Equal(42, thrown.Code);
        Assert.Contains(nameof(CallGrain), thrown.StackTrace, StringComparison.Ordinal);
        var atOnce = await Assert.ThrowsAsync<InvalidOperationException>(() => silo.Grains.GetGrain<ICallGrain>("a").FailAtOnce("at once").DefaultTimeout());
        Assert.Contains(nameof(CallGrain.FailAtOnce), atOnce.StackTrace, StringComparison.Ordinal);
        Assert.Equal(3, await silo.Grains.GetGrain<ICallGrain>("a").Add(1, 2).DefaultTimeout());
    }

    [Fact]
    public async Task Argument_ThatCanChange_IsCopied()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("copy");
        var mine = new Basket { Items = ["bread"], Inner = new Basket { Items = ["nuts"] }, Scratch = "unsent" };
        var returned = await grain.Keep(mine).DefaultTimeout();
        mine.Items.Add("changed by the caller");
        mine.Inner.Items.Clear();
        returned.Items.Add("changed in the result");
        var kept = await grain.Kept().DefaultTimeout();
        Assert.Equal(["bread"], kept.Items);
        Assert.Equal(["nuts"], kept.Inner!.Items);
        Assert.Null(kept.Scratch);
    }

    [Fact]
    public async Task Argument_WithCycle_IsCopiedOnce()
    {
        var ring = new Basket { Items = ["one"] };
        ring.Inner = ring;
        var copy = await silo.Grains.GetGrain<ICallGrain>("ring").Keep(ring).DefaultTimeout();
        Assert.NotSame(ring, copy);
        Assert.Same(copy, copy.Inner);
    }

    [Fact]
    public async Task Argument_PromisedImmutable_IsNotCopied()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("stamp");
        var stamp = new Stamp("s", [1]);
        Assert.Same(stamp, await grain.KeepStamp(stamp).DefaultTimeout());
        Assert.True(await grain.IsSameStamp(stamp).DefaultTimeout());
    }

    [Fact]
    public async Task Record_WithArraysAndDictionaries_IsCopiedWhole()
    {
        var reading = new Reading("cpu", [1, 2, double.NaN]) { Baskets = new() { ["k"] = new Basket { Items = ["x"] } } };
        var copy = await silo.Grains.GetGrain<ICallGrain>("r").Echo(reading).DefaultTimeout();
        Assert.NotSame(reading.Values, copy.Values);
        Assert.Equal(reading.Values, copy.Values);
        Assert.NotSame(reading.Baskets["k"], copy.Baskets["k"]);
        Assert.Equal(["x"], copy.Baskets["k"].Items);
        Assert.Equal("cpu", copy.Name);
    }

    public static TheoryData<object> Values => new()
    {
        1, 2L, "text", 1.5m, Guid.NewGuid(), DateTime.UnixEpoch, DateTimeOffset.UnixEpoch, TimeSpan.FromSeconds(3), Grains.Mood.Cross, new Uri("http://localhost/"),
        new[] { 1, 2 }, new List<string> { "a" }, new Dictionary<string, int> { ["a"] = 1 }, new HashSet<int> { 4 }, (1, "b"), new KeyValuePair<int, string>(1, "c"),
        new Queue<int>([1, 2]), new Stack<int>([1, 2, 3]), new[] { new[] { 1 }, [2, 3] }, System.Collections.Immutable.ImmutableArray.Create(1, 2),
    };

    [Theory]
    [MemberData(nameof(Values))]
    public async Task Value_OfBasicType_PassesAsObject(object value)
    {
        var copy = await silo.Grains.GetGrain<ICallGrain>("o").EchoObject(value).DefaultTimeout();
        Assert.Equal(value.GetType(), copy!.GetType());
        Assert.Equal(value, copy);
    }

    [Fact]
    public async Task Value_OfUnmarkedType_IsRefused()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("o");
        var refused = await Assert.ThrowsAnyAsync<Exception>(async () => await grain.EchoObject(new Unmarked()).DefaultTimeout());
        Assert.Contains(nameof(Unmarked), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reference_ReturnedByGrain_EqualsTheCallers()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("self");
        var self = await grain.Self().DefaultTimeout();
        Assert.Equal(grain, self);
        Assert.Equal(4, await self.Add(2, 2).DefaultTimeout());
        Assert.NotEqual(silo.Grains.GetGrain<ICallGrain>("other"), self);
    }

    [Fact]
    public async Task OneWay_Call_DoesNotWaitForTheGrain()
    {
        await silo.Grains.GetGrain<ICallGrain>("tell").Tell("hello").DefaultTimeout();
        Assert.Empty(silo.Probe.Log);
        silo.Probe.Open("tell");
        await silo.Probe.Marked("told");
        Assert.Equal(["hello"], silo.Probe.Log);
    }

    [Fact]
    public async Task RequestContext_SetByCaller_TravelsThroughGrainsAndStopsThere()
    {
        var (first, second) = (silo.Grains.GetGrain<ICallGrain>("1"), silo.Grains.GetGrain<ICallGrain>("2"));
        RequestContext.Set("actor", "ann");
        Assert.Equal("ann", await first.ReadContextOf(second, "actor").DefaultTimeout());
        RequestContext.Clear();
        Assert.Null(await first.ReadContextOf(second, "actor").DefaultTimeout());
    }

    [Fact]
    public async Task Filter_OnSilo_SeesEveryCallAndMayChangeIt()
    {
        await using var filtered = await TestSilo.StartAsync(builder => builder.AddIncomingGrainCallFilter(async context =>
            {
                if (context.InterfaceMethod.DeclaringType != typeof(ICallGrain))
                {
                    await context.Invoke();
                    return;
                }
                Assert.Equal(nameof(ICallGrain.Add), context.MethodName);
                Assert.Equal("f", context.TargetId.Key.ToString());
                Assert.Equal(2, context.Request.GetArgument(0));
                await context.Invoke();
                context.Result = (int)context.Result! + 100;
            }));
        Assert.Equal(105, await filtered.Grains.GetGrain<ICallGrain>("f").Add(2, 3).DefaultTimeout());
    }

    [Fact]
    public async Task Calls_OfOneSender_RunInOrder()
    {
        silo.Probe.Open("p");
        var grain = silo.Grains.GetGrain<IGateGrain>("order", typeof(GateGrain).FullName);
        for (var i = 0; i < 200; i++) silo.Probe.Open($"{i}");
        // Calls that are there before their grain may overtake each other in a real silo.
        await grain.Ball().DefaultTimeout();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => grain.Pass($"{i}"))).DefaultTimeout();
        Assert.Equal(Enumerable.Range(0, 200).SelectMany(i => new[] { $"in:{i}", $"out:{i}" }), silo.Probe.Log);
    }
}
