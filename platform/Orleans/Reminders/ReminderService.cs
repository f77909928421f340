using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Timers;

namespace Orleans.Reminders;

/// <summary>
/// Ticks the stored reminders. A tick counts as given once the grain has taken it, which is stored: what fell due while the process was
/// down, or was not taken, is given once after the start, late, and then the schedule goes on from the first tick's time.
/// </summary>
internal sealed class ReminderService(Silo silo, IReminderTable table, IOptions<ReminderOptions> options) : IReminderRegistry
{
    private readonly Lock gate = new();
    private readonly Dictionary<(GrainId, string), Reminder> reminders = [];
    private bool started;

    private Silo Silo => silo;

    private IReminderTable Table => table;

    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(options.Value.InitializationTimeout);
        foreach (var row in await table.ReadAllAsync(limited.Token).ConfigureAwait(false))
        {
            lock (gate) reminders[(row.GrainId, row.Name)] = new Reminder(this, row);
        }
    }

    /// <summary>From here on reminders tick.</summary>
    public void Start()
    {
        lock (gate)
        {
            started = true;
            foreach (var reminder in reminders.Values) reminder.Arm();
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Reminder[] all;
        lock (gate)
        {
            started = false;
            all = [.. reminders.Values];
        }
        foreach (var reminder in all) reminder.Dispose();
        try
        {
            await Task.WhenAll(all.Select(reminder => reminder.Ticking)).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // A tick that is not stored as given is given again after the next start.
        }
    }

    public async Task<IGrainReminder> RegisterOrUpdateReminder(GrainId callingGrainId, string reminderName, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reminderName);
        ArgumentOutOfRangeException.ThrowIfLessThan(dueTime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(period, TimeSpan.Zero);
        if (period < options.Value.MinimumReminderPeriod)
            throw new ArgumentException($"The period of reminder {reminderName} is {period} but must be at least {options.Value.MinimumReminderPeriod} (ReminderOptions.MinimumReminderPeriod)", nameof(period));
        var row = new ReminderRow(callingGrainId, reminderName, silo.Time.GetUtcNow() + dueTime, period, LastTick: null);
        await table.UpsertAsync(row).ConfigureAwait(false);
        var reminder = new Reminder(this, row);
        Replace(callingGrainId, reminderName, reminder);
        return reminder;
    }

    public async Task UnregisterReminder(GrainId callingGrainId, IGrainReminder reminder)
    {
        ArgumentNullException.ThrowIfNull(reminder);
        await table.DeleteAsync(callingGrainId, reminder.ReminderName).ConfigureAwait(false);
        Replace(callingGrainId, reminder.ReminderName, null);
    }

    public Task<IGrainReminder?> GetReminder(GrainId callingGrainId, string reminderName)
    {
        lock (gate) return Task.FromResult<IGrainReminder?>(reminders.GetValueOrDefault((callingGrainId, reminderName)));
    }

    public Task<List<IGrainReminder>> GetReminders(GrainId callingGrainId)
    {
        lock (gate) return Task.FromResult(reminders.Where(pair => pair.Key.Item1 == callingGrainId).Select(pair => (IGrainReminder)pair.Value).ToList());
    }

    private void Replace(GrainId grainId, string name, Reminder? with)
    {
        lock (gate)
        {
            if (reminders.Remove((grainId, name), out var old)) old.Dispose();
            if (with is null) return;
            reminders.Add((grainId, name), with);
            if (started) with.Arm();
        }
    }

    private bool IsCurrent(Reminder reminder, ReminderRow row)
    {
        lock (gate) return reminders.GetValueOrDefault((row.GrainId, row.Name)) == reminder;
    }

    /// <summary>When a reminder is due next: never before the tick after the last one given.</summary>
    internal static DateTimeOffset NextDue(ReminderRow row)
    {
        if (row.LastTick is not { } last || last < row.FirstTick) return row.FirstTick;
        var given = (last - row.FirstTick).Ticks / row.Period.Ticks;
        return row.FirstTick + ((given + 1) * row.Period);
    }

    private sealed class Reminder(ReminderService service, ReminderRow row) : IGrainReminder, IDisposable
    {
        // Longer waits are made of shorter ones: timers have a limit of some weeks.
        private static readonly TimeSpan LongestWait = TimeSpan.FromDays(10);

        private ReminderRow row = row;
        private DateTimeOffset due = NextDue(row);
        private ITimer? timer;
        private bool disposed;

        public string ReminderName => row.Name;

        public Task Ticking { get; private set; } = Task.CompletedTask;

        public void Arm()
        {
            var wait = due - service.Silo.Time.GetUtcNow();
            wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > LongestWait ? LongestWait : wait;
            lock (service.gate)
            {
                if (disposed) return;
                if (timer is not null) timer.Change(wait, Timeout.InfiniteTimeSpan);
                else
                {
                    using (ExecutionContext.SuppressFlow())
                        timer = service.Silo.Time.CreateTimer(static state => ((Reminder)state!).OnTimer(), this, wait, Timeout.InfiniteTimeSpan);
                }
            }
        }

        public void Dispose()
        {
            lock (service.gate)
            {
                disposed = true;
                timer?.Dispose();
            }
        }

        private void OnTimer()
        {
            if (service.Silo.Time.GetUtcNow() < due) Arm();
            else Ticking = TickAsync();
        }

        private async Task TickAsync()
        {
            var now = service.Silo.Time.GetUtcNow();
            try
            {
                await service.Silo.GetGrain<IRemindable>(row.GrainId)
                    .ReceiveReminder(row.Name, new TickStatus(row.FirstTick.UtcDateTime, row.Period, now.UtcDateTime)).ConfigureAwait(false);
                service.Silo.Instruments.ReminderDelivered(now - due);
                row = row with { LastTick = now };
                await service.Table.NoteTickAsync(row).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                service.Silo.Log.ReminderFailed(e, row.Name, row.GrainId);
            }
            due = NextDue(row with { LastTick = service.Silo.Time.GetUtcNow() });
            if (service.IsCurrent(this, row)) Arm();
        }
    }
}
