using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public interface IAlarmGrain : IGrainWithStringKey
{
    [Alias("Set")]
    Task Set(TimeSpan due, TimeSpan period);

    [Alias("Leave")]
    Task Leave();
}

/// <summary>Writes each tick to the test.</summary>
public sealed class AlarmGrain(Channel<TickStatus> ticks) : Grain, IAlarmGrain, IRemindable
{
    public Task Set(TimeSpan due, TimeSpan period) => this.RegisterOrUpdateReminder("alarm", due, period);

    public Task Leave()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        ticks.Writer.TryWrite(status);
        return Task.CompletedTask;
    }
}

/// <summary>Reminders as a service has them: on its own database, with either package set, on the clock that it is given.</summary>
public sealed class ReminderTests
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(2);

    [FactNeeds("postgres")]
    public async Task Reminder_TicksByTheClock_ActivatesItsGrain_AndGoesOnAfterARestart()
    {
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:postgres"] = await PostgresServer.NewDatabaseAsync() };
        var clock = new FakeClock();
        var first = (clock.GetUtcNow() + Period).UtcDateTime;
        await using (var service = await StartAsync(clock, settings))
        {
            var grain = service.App.Services.GetRequiredService<IGrainFactory>().GetGrain<IAlarmGrain>("a");
            await grain.Set(Period, Period).DefaultTimeout();
            await grain.Leave().DefaultTimeout();
            // One that comes late, because the machine is busy, is given for its own time or skipped, but none comes early or twice.
            var last = -1;
            for (var count = 0; count < 3; count++)
            {
                var untilDue = first + ((last + 1) * Period) - clock.GetUtcNow().UtcDateTime;
                if (untilDue > TimeSpan.FromSeconds(1)) clock.Advance(untilDue - TimeSpan.FromSeconds(1));
                var status = await NextAsync(service, clock);
                Assert.Equal((first, Period), (status.FirstTickTime, status.Period));
                var tick = (int)Math.Floor((status.CurrentTickTime - first) / Period);
                Assert.InRange(tick, last + 1, int.MaxValue);
                last = tick;
            }
            await service.App.StopAsync().DefaultTimeout();
        }
        clock.Advance(2 * Period);
        var restarted = clock.GetUtcNow().UtcDateTime;
        await using (var service = await StartAsync(clock, settings))
        {
            // The bundled silo makes up for what was missed with one tick at once, the official one waits for the next.
            var status = await NextAsync(service, clock);
            Assert.Equal((first, Period), (status.FirstTickTime, status.Period));
            Assert.InRange(status.CurrentTickTime, restarted, clock.GetUtcNow().UtcDateTime);
            await service.App.StopAsync().DefaultTimeout();
        }
    }

    private static Task<TestService> StartAsync(TimeProvider clock, Dictionary<string, string?> settings) => TestService.StartAsync(
        builder =>
        {
            builder.AddGrains();
            builder.Services.AddFakeClock(clock);
            builder.Services.AddSingleton(Channel.CreateUnbounded<TickStatus>());
        },
        settings: settings);

    // When the silo has armed its timer only the silo knows, so that the clock goes on second by second until the tick is there.
    private static async Task<TickStatus> NextAsync(TestService service, FakeClock clock)
    {
        var ticks = service.App.Services.GetRequiredService<Channel<TickStatus>>().Reader;
        TickStatus status = default;
        await Waiting.Until(() =>
        {
            if (ticks.TryRead(out status)) return Task.FromResult(true);
            clock.Advance(TimeSpan.FromSeconds(1));
            return Task.FromResult(false);
        }, "the reminder ticks");
        return status;
    }
}
