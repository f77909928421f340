using Orleans.Storage;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

/// <summary>Stored state on each database.</summary>
public abstract class StateTests(string invariant) : IAsyncLifetime
{
    private Database database = null!;

    public async Task InitializeAsync() => database = await Database.MakeAsync(invariant);

    public Task DisposeAsync()
    {
        database?.Dispose();
        return Task.CompletedTask;
    }

    protected async Task Written_State_IsThereAfterRestart()
    {
        await using (var silo = await database.StartSiloAsync())
        {
            Assert.Equal((null, false), await silo.Grains.GetGrain<ILedgerGrain>("a").Version().DefaultTimeout());
            Assert.Equal(1, await silo.Grains.GetGrain<ILedgerGrain>("a").Add("bolt").DefaultTimeout());
            Assert.Equal(2, await silo.Grains.GetGrain<ILedgerGrain>("a").Add("nut \u0001 ü 'quoted'").DefaultTimeout());
        }
        await using (var silo = await database.StartSiloAsync())
        {
            var state = await silo.Grains.GetGrain<ILedgerGrain>("a").Read().DefaultTimeout();
            Assert.Equal(2, state.Count);
            Assert.Equal(new Part("nut \u0001 ü 'quoted'", 0.1 + 0.2), state.Parts[1]);
            Assert.Equal(new DateTimeOffset(2026, 1, 5, 12, 0, 0, TimeSpan.FromHours(2)), state.Seen["bolt"]);
            Assert.Equal(Mood.Cross, state.Mood);
            Assert.Equal(TimeSpan.FromMinutes(1.5), state.Wait);
            Assert.Equal(double.PositiveInfinity, state.Score);
            Assert.Equal(("2", true), await silo.Grains.GetGrain<ILedgerGrain>("a").Version().DefaultTimeout());
            Assert.Equal(0, (await silo.Grains.GetGrain<ILedgerGrain>("b").Read().DefaultTimeout()).Count);
        }
    }

    protected async Task Stale_Write_ThrowsAndTheActivationReloads()
    {
        await using var one = await database.StartSiloAsync();
        await using var two = await database.StartSiloAsync();
        var (first, second) = (one.Grains.GetGrain<ILedgerGrain>("c"), two.Grains.GetGrain<ILedgerGrain>("c"));
        await first.Add("first").DefaultTimeout();
        await second.Add("second").DefaultTimeout();
        var before = await first.Activation().DefaultTimeout();
        var conflict = await Assert.ThrowsAsync<InconsistentStateException>(() => first.Add("stale").DefaultTimeout());
        Assert.Equal(("2", "1"), (conflict.StoredEtag, conflict.CurrentEtag));
        Assert.NotEqual(before, await first.Activation().DefaultTimeout());
        Assert.Equal(["first", "second"], (await first.Read().DefaultTimeout()).Parts.Select(part => part.Name));
        Assert.Equal(3, await first.Add("third").DefaultTimeout());
    }

    protected async Task Conflict_CaughtByTheGrain_LeavesItThereUntilItReads()
    {
        await using var one = await database.StartSiloAsync();
        await using var two = await database.StartSiloAsync();
        var (first, second) = (one.Grains.GetGrain<ILedgerGrain>("d"), two.Grains.GetGrain<ILedgerGrain>("d"));
        // Both have seen that there is no record; both insert.
        await first.Read().DefaultTimeout();
        await second.Add("second").DefaultTimeout();
        var before = await first.Activation().DefaultTimeout();
        Assert.Equal("1/", await first.AddAndCatch("first").DefaultTimeout());
        Assert.Equal(before, await first.Activation().DefaultTimeout());
        await first.Refresh().DefaultTimeout();
        Assert.Equal("", await first.AddAndCatch("third").DefaultTimeout());
        Assert.Equal(["second", "third"], (await first.Read().DefaultTimeout()).Parts.Select(part => part.Name));
    }

    protected async Task Cleared_State_IsGoneAndItsVersionGoesOn()
    {
        await using var one = await database.StartSiloAsync();
        await using var two = await database.StartSiloAsync();
        var (first, second) = (one.Grains.GetGrain<ILedgerGrain>("e"), two.Grains.GetGrain<ILedgerGrain>("e"));
        await first.Add("x").DefaultTimeout();
        await second.Read().DefaultTimeout();
        await first.Clear().DefaultTimeout();
        Assert.Equal(("2", false), await first.Version().DefaultTimeout());
        Assert.Equal(0, (await first.Read().DefaultTimeout()).Count);
        await Assert.ThrowsAsync<InconsistentStateException>(() => second.Clear().DefaultTimeout());
        Assert.Equal(1, await second.Add("y").DefaultTimeout());
        Assert.Equal(("3", true), await second.Version().DefaultTimeout());
    }

    protected async Task ManyGrains_WritingAtOnce_AllAreStored()
    {
        await using (var silo = await database.StartSiloAsync())
        {
            await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
            {
                for (var n = 0; n < 3; n++) await silo.Grains.GetGrain<ILedgerGrain>($"m{i}").Add($"{n}");
            })).DefaultTimeout();
        }
        await using (var silo = await database.StartSiloAsync())
        {
            var counts = await Task.WhenAll(Enumerable.Range(0, 300).Select(async i => (await silo.Grains.GetGrain<ILedgerGrain>($"m{i}").Read()).Count)).DefaultTimeout();
            Assert.All(counts, count => Assert.Equal(3, count));
        }
    }
}

public sealed class SqliteStateTests() : StateTests("System.Data.SQLite")
{
    [Fact]
    public Task State_Written_IsThereAfterRestart() => Written_State_IsThereAfterRestart();

    [Fact]
    public Task Write_OfStaleState_ThrowsAndTheActivationReloads() => Stale_Write_ThrowsAndTheActivationReloads();

    [Fact]
    public Task Conflict_CaughtByGrain_LeavesItThereUntilItReads() => Conflict_CaughtByTheGrain_LeavesItThereUntilItReads();

    [Fact]
    public Task Clear_OfState_RemovesItAndItsVersionGoesOn() => Cleared_State_IsGoneAndItsVersionGoesOn();

    [Fact]
    public Task Writes_OfManyGrains_AreAllStored() => ManyGrains_WritingAtOnce_AllAreStored();
}

/// <summary>The same on PostgreSQL.</summary>
public sealed class PostgresStateTests
{
    private sealed class Suite() : StateTests("Npgsql")
    {
        public Task Restart() => Written_State_IsThereAfterRestart();

        public Task Stale() => Stale_Write_ThrowsAndTheActivationReloads();

        public Task Caught() => Conflict_CaughtByTheGrain_LeavesItThereUntilItReads();

        public Task Clear() => Cleared_State_IsGoneAndItsVersionGoesOn();

        public Task Many() => ManyGrains_WritingAtOnce_AllAreStored();
    }

    // The server is started by the test itself, as a suite that is skipped must not start one.
    private static async Task Run(Func<Suite, Task> test)
    {
        var suite = new Suite();
        await suite.InitializeAsync();
        await test(suite);
        await suite.DisposeAsync();
    }

    [FactNeeds("postgres", "initdb")]
    public Task State_Written_IsThereAfterRestart() => Run(suite => suite.Restart());

    [FactNeeds("postgres", "initdb")]
    public Task Write_OfStaleState_ThrowsAndTheActivationReloads() => Run(suite => suite.Stale());

    [FactNeeds("postgres", "initdb")]
    public Task Conflict_CaughtByGrain_LeavesItThereUntilItReads() => Run(suite => suite.Caught());

    [FactNeeds("postgres", "initdb")]
    public Task Clear_OfState_RemovesItAndItsVersionGoesOn() => Run(suite => suite.Clear());

    [FactNeeds("postgres", "initdb")]
    public Task Writes_OfManyGrains_AreAllStored() => Run(suite => suite.Many());
}
