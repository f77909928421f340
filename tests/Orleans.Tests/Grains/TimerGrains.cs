namespace Vigil.Orleans.Tests.Grains;

public interface ITimerGrain : IGrainWithStringKey
{
    /// <summary>Each tick marks "tick:name" and waits at the gate "tick" if <paramref name="gated"/>.</summary>
    Task Start(string name, TimeSpan due, TimeSpan period, bool interleave = false, bool gated = false, bool keepAlive = false);

    Task Change(string name, TimeSpan due, TimeSpan period);

    Task Stop(string name);

    Task<int> Ticks(string name);

    Task Pass(string name);

    Task Go();
}

public sealed class TimerGrain(Probe probe) : Grain, ITimerGrain
{
    private readonly Dictionary<string, IGrainTimer> timers = [];
    private readonly Dictionary<string, int> ticks = [];
    private int inTick;

    public Task Start(string name, TimeSpan due, TimeSpan period, bool interleave, bool gated, bool keepAlive)
    {
        timers[name] = this.RegisterGrainTimer(async (state, cancellationToken) =>
        {
            if (++inTick > 1) probe.Mark("overlap");
            ticks[state] = ticks.GetValueOrDefault(state) + 1;
            probe.Mark($"tick:{state}");
            try
            {
                if (gated) await probe.Gate("tick").WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                probe.Mark($"stopped:{state}");
                throw;
            }
            finally
            {
                inTick--;
            }
        }, name, new GrainTimerCreationOptions(due, period) { Interleave = interleave, KeepAlive = keepAlive });
        return Task.CompletedTask;
    }

    public Task Change(string name, TimeSpan due, TimeSpan period)
    {
        timers[name].Change(due, period);
        return Task.CompletedTask;
    }

    public Task Stop(string name)
    {
        timers[name].Dispose();
        return Task.CompletedTask;
    }

    public Task<int> Ticks(string name) => Task.FromResult(ticks.GetValueOrDefault(name));

    public async Task Pass(string name)
    {
        probe.Mark($"in:{name}");
        await probe.Gate(name);
    }

    public Task Go()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}

public interface IReminderGrain : IGrainWithStringKey
{
    Task Set(string name, TimeSpan due, TimeSpan period);

    Task End(string name);

    Task<string[]> Names();

    Task SetWithoutBeingRemindable();
}

public sealed class ReminderGrain(Probe probe) : Grain, IReminderGrain, IRemindable
{
    public Task Set(string name, TimeSpan due, TimeSpan period) => this.RegisterOrUpdateReminder(name, due, period);

    public async Task End(string name) => await this.UnregisterReminder((await this.GetReminder(name))!);

    public async Task<string[]> Names() => [.. (await this.GetReminders()).Select(reminder => reminder.ReminderName).Order()];

    public Task SetWithoutBeingRemindable() => Task.CompletedTask;

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        probe.Log.Enqueue($"{reminderName}:{status.FirstTickTime:HH:mm}:{status.Period.TotalMinutes}:{status.CurrentTickTime:HH:mm}");
        probe.Mark($"reminded:{reminderName}");
        if (reminderName.StartsWith("bad", StringComparison.Ordinal) && probe.Count($"reminded:{reminderName}") == 1) throw new BasketException("not now", 1);
        return Task.CompletedTask;
    }
}
