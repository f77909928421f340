using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

/// <summary>Reminders across restarts. The clock starts at 12:00.</summary>
public sealed class ReminderTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static Task<Database> Sqlite() => Database.MakeAsync("System.Data.SQLite");

    [Fact]
    public async Task Reminder_Registered_TicksOnScheduleAndActivatesItsGrain()
    {
        using var database = await Sqlite();
        var clock = new FakeClock();
        await using var silo = await database.StartSiloAsync(clock);
        await silo.Grains.GetGrain<IReminderGrain>("r").Set("tea", 5 * Minute, 10 * Minute).DefaultTimeout();
        clock.Advance(5 * Minute);
        await silo.Probe.Marked("reminded:tea");
        await ArmedAgain(clock, () => clock.Advance(10 * Minute), silo, "reminded:tea");
        Assert.Equal(["tea:12:05:10:12:05", "tea:12:05:10:12:15"], silo.Probe.Log);
    }

    [Fact]
    public async Task Reminder_DueWhileDown_IsGivenOnceAtStartAndTheScheduleGoesOn() => await CatchUp("System.Data.SQLite");

    [FactNeeds("postgres", "initdb")]
    public async Task Reminder_OnPostgres_DueWhileDown_IsGivenOnceAtStartAndTheScheduleGoesOn() => await CatchUp("Npgsql");

    private static async Task CatchUp(string invariant)
    {
        using var database = await Database.MakeAsync(invariant);
        var clock = new FakeClock();
        await using (var silo = await database.StartSiloAsync(clock))
        {
            await silo.Grains.GetGrain<IReminderGrain>("r").Set("tea", 5 * Minute, 10 * Minute).DefaultTimeout();
            clock.Advance(5 * Minute);
            await silo.Probe.Marked("reminded:tea");
        }
        // 12:15, 12:25 and 12:35 pass.
        clock.Advance(33 * Minute);
        await using (var silo = await database.StartSiloAsync(clock))
        {
            await silo.Probe.Marked("reminded:tea");
            await ArmedAgain(clock, () => clock.Advance(7 * Minute), silo, "reminded:tea");
            Assert.Equal(["tea:12:05:10:12:38", "tea:12:05:10:12:45"], silo.Probe.Log);
        }
    }

    [Fact]
    public async Task Reminder_NotYetDueAtRestart_TicksAtItsTime()
    {
        using var database = await Sqlite();
        var clock = new FakeClock();
        await using (var silo = await database.StartSiloAsync(clock))
            await silo.Grains.GetGrain<IReminderGrain>("r").Set("later", 60 * Minute, 60 * Minute).DefaultTimeout();
        clock.Advance(30 * Minute);
        await using (var silo = await database.StartSiloAsync(clock))
        {
            clock.Advance(29 * Minute);
            Assert.Empty(silo.Probe.Log);
            clock.Advance(Minute);
            await silo.Probe.Marked("reminded:later");
            Assert.Equal(["later:13:00:60:13:00"], silo.Probe.Log);
        }
    }

    [Fact]
    public async Task Reminder_Ended_IsGoneForGood()
    {
        using var database = await Sqlite();
        var clock = new FakeClock();
        await using (var silo = await database.StartSiloAsync(clock))
        {
            var grain = silo.Grains.GetGrain<IReminderGrain>("r");
            await grain.Set("a", Minute, Minute).DefaultTimeout();
            await grain.Set("b", Minute, Minute).DefaultTimeout();
            Assert.Equal(["a", "b"], await grain.Names().DefaultTimeout());
            await grain.End("a").DefaultTimeout();
            Assert.Equal(["b"], await grain.Names().DefaultTimeout());
        }
        clock.Advance(5 * Minute);
        await using (var silo = await database.StartSiloAsync(clock))
        {
            await silo.Probe.Marked("reminded:b");
            Assert.Equal(["b"], await silo.Grains.GetGrain<IReminderGrain>("r").Names().DefaultTimeout());
            Assert.Equal(0, silo.Probe.Count("reminded:a"));
        }
    }

    [Fact]
    public async Task Reminder_WhoseGrainFails_TicksAgain()
    {
        using var database = await Sqlite();
        var clock = new FakeClock();
        await using var silo = await database.StartSiloAsync(clock);
        await silo.Grains.GetGrain<IReminderGrain>("r").Set("bad", Minute, Minute).DefaultTimeout();
        clock.Advance(Minute);
        await silo.Probe.Marked("reminded:bad");
        await ArmedAgain(clock, () => clock.Advance(Minute), silo, "reminded:bad");
        Assert.Equal(2, silo.Probe.Log.Count);
    }

    [Fact]
    public async Task Reminder_OfUnderAMinute_IsRefused()
    {
        using var database = await Sqlite();
        await using var silo = await database.StartSiloAsync();
        var refused = await Assert.ThrowsAsync<ArgumentException>(() =>
            silo.Grains.GetGrain<IReminderGrain>("r").Set("fast", TimeSpan.Zero, TimeSpan.FromSeconds(59)).DefaultTimeout());
        Assert.Contains("00:01:00", refused.Message, StringComparison.Ordinal);
        await silo.Grains.GetGrain<IReminderGrain>("r").Set("slow enough", Minute, Minute).DefaultTimeout();
    }

    // The tick is marked inside the grain, a moment before the service arms the reminder for its next one.
    private static async Task ArmedAgain(FakeClock clock, Action advance, TestSilo silo, string mark)
    {
        await Waiting.Until(() => Task.FromResult(clock.ArmedTimers >= 2), "the reminder is armed again");
        advance();
        await silo.Probe.Marked(mark);
    }
}
