using Orleans.Runtime;
using Orleans.Timers;

namespace Orleans
{
    /// <summary>A grain that can be reminded. Reminders outlive the activation and the process.</summary>
    public interface IRemindable : IGrain
    {
        /// <summary>Called when a reminder is due; activates the grain if need be.</summary>
        Task ReceiveReminder(string reminderName, TickStatus status);
    }

    /// <summary>How a grain sets its reminders.</summary>
    public static class GrainReminderExtensions
    {
        /// <summary>Sets the reminder <paramref name="reminderName"/>: first after <paramref name="dueTime"/>, then each <paramref name="period"/>.</summary>
        /// <exception cref="ArgumentException">The period is under <c>ReminderOptions.MinimumReminderPeriod</c>, one minute by default.</exception>
        /// <exception cref="InvalidOperationException">The grain is not <see cref="IRemindable"/>.</exception>
        public static Task<IGrainReminder> RegisterOrUpdateReminder(this Grain grain, string reminderName, TimeSpan dueTime, TimeSpan period) =>
            ((IGrainBase)grain).RegisterOrUpdateReminder(reminderName, dueTime, period);

        /// <inheritdoc cref="RegisterOrUpdateReminder(Grain, string, TimeSpan, TimeSpan)"/>
        public static Task<IGrainReminder> RegisterOrUpdateReminder(this IGrainBase grain, string reminderName, TimeSpan dueTime, TimeSpan period)
        {
            ArgumentNullException.ThrowIfNull(grain);
            ArgumentException.ThrowIfNullOrWhiteSpace(reminderName);
            if (grain is not IRemindable)
                throw new InvalidOperationException($"{grain.GrainContext.GrainId} is not {nameof(IRemindable)}, so it cannot be reminded");
            return Registry(grain).RegisterOrUpdateReminder(grain.GrainContext.GrainId, reminderName, dueTime, period);
        }

        /// <summary>Ends a reminder.</summary>
        public static Task UnregisterReminder(this Grain grain, IGrainReminder reminder) => ((IGrainBase)grain).UnregisterReminder(reminder);

        /// <inheritdoc cref="UnregisterReminder(Grain, IGrainReminder)"/>
        public static Task UnregisterReminder(this IGrainBase grain, IGrainReminder reminder) =>
            Registry(grain).UnregisterReminder(grain.GrainContext.GrainId, reminder);

        /// <summary>The grain's reminder of this name; null where there is none.</summary>
        public static Task<IGrainReminder?> GetReminder(this Grain grain, string reminderName) => ((IGrainBase)grain).GetReminder(reminderName);

        /// <inheritdoc cref="GetReminder(Grain, string)"/>
        public static Task<IGrainReminder?> GetReminder(this IGrainBase grain, string reminderName)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(reminderName);
            return Registry(grain).GetReminder(grain.GrainContext.GrainId, reminderName);
        }

        /// <summary>The grain's reminders.</summary>
        public static Task<List<IGrainReminder>> GetReminders(this Grain grain) => ((IGrainBase)grain).GetReminders();

        /// <inheritdoc cref="GetReminders(Grain)"/>
        public static Task<List<IGrainReminder>> GetReminders(this IGrainBase grain) => Registry(grain).GetReminders(grain.GrainContext.GrainId);

        private static IReminderRegistry Registry(IGrainBase grain)
        {
            ArgumentNullException.ThrowIfNull(grain);
            return (IReminderRegistry?)((Activation)grain.GrainContext).Silo.ServiceProvider.GetService(typeof(IReminderRegistry))
                ?? throw new OrleansConfigurationException("Reminders are not set up: call UseAdoNetReminderService or UseInMemoryReminderService on the silo");
        }
    }
}

namespace Orleans.Runtime
{
    /// <summary>A reminder that was set.</summary>
    public interface IGrainReminder
    {
        /// <summary>Its name within the grain.</summary>
        string ReminderName { get; }
    }

    /// <summary>Which tick of a reminder this is. Times are in UTC.</summary>
    [GenerateSerializer, Immutable]
    public readonly struct TickStatus(DateTime firstTickTime, TimeSpan period, DateTime timeStamp)
    {
        /// <summary>When the reminder was first due.</summary>
        [Id(0)]
        public DateTime FirstTickTime { get; } = firstTickTime;

        /// <summary>The time between ticks.</summary>
        [Id(1)]
        public TimeSpan Period { get; } = period;

        /// <summary>When this tick was delivered.</summary>
        [Id(2)]
        public DateTime CurrentTickTime { get; } = timeStamp;

        /// <inheritdoc/>
        public override string ToString() => $"<{FirstTickTime}, {Period}, {CurrentTickTime}>";
    }
}

namespace Orleans.Timers
{
    /// <summary>Keeps reminders.</summary>
    public interface IReminderRegistry
    {
        /// <summary>Sets a reminder.</summary>
        Task<IGrainReminder> RegisterOrUpdateReminder(GrainId callingGrainId, string reminderName, TimeSpan dueTime, TimeSpan period);

        /// <summary>Ends a reminder.</summary>
        Task UnregisterReminder(GrainId callingGrainId, IGrainReminder reminder);

        /// <summary>One reminder; null where there is none.</summary>
        Task<IGrainReminder?> GetReminder(GrainId callingGrainId, string reminderName);

        /// <summary>All reminders of a grain.</summary>
        Task<List<IGrainReminder>> GetReminders(GrainId callingGrainId);
    }
}
