using System.Data.Common;

namespace Orleans.Configuration
{
    /// <summary>Whose grains these are.</summary>
    public class ClusterOptions
    {
        /// <summary>The default of <see cref="ClusterId"/>.</summary>
        public const string DefaultClusterId = "default";

        /// <summary>The default of <see cref="ServiceId"/>.</summary>
        public const string DefaultServiceId = "default";

        /// <summary>The running cluster. One silo has no use for it but to show it.</summary>
        public string ClusterId { get; set; } = DefaultClusterId;

        /// <summary>The service: state and reminders are stored under it, so it must stay the same from start to start.</summary>
        public string ServiceId { get; set; } = DefaultServiceId;
    }

    /// <summary>When idle activations go.</summary>
    public class GrainCollectionOptions
    {
        /// <summary>The default of <see cref="CollectionQuantum"/>: a minute.</summary>
        public static readonly TimeSpan DEFAULT_COLLECTION_QUANTUM = TimeSpan.FromMinutes(1);

        /// <summary>The default of <see cref="ActivationTimeout"/>: 30 s.</summary>
        public static readonly TimeSpan DEFAULT_ACTIVATION_TIMEOUT = TimeSpan.FromSeconds(30);

        /// <summary>The default of <see cref="DeactivationTimeout"/>: 30 s.</summary>
        public static readonly TimeSpan DEFAULT_DEACTIVATION_TIMEOUT = TimeSpan.FromSeconds(30);

        /// <summary>How often idle activations are looked for; over zero.</summary>
        public TimeSpan CollectionQuantum { get; set; } = DEFAULT_COLLECTION_QUANTUM;

        /// <summary>How long an activation must have been idle; more than <see cref="CollectionQuantum"/>. 15 minutes by default.</summary>
        public TimeSpan CollectionAge { get; set; } = TimeSpan.FromMinutes(15);

        /// <summary>Other ages for some grain classes, by full name.</summary>
        public Dictionary<string, TimeSpan> ClassSpecificCollectionAge { get; set; } = [];

        /// <summary>After this time the token given to <c>OnActivateAsync</c> is cancelled.</summary>
        public TimeSpan ActivationTimeout { get; set; } = DEFAULT_ACTIVATION_TIMEOUT;

        /// <summary>After this time the token given to <c>OnDeactivateAsync</c> is cancelled and the activation is dropped.</summary>
        public TimeSpan DeactivationTimeout { get; set; } = DEFAULT_DEACTIVATION_TIMEOUT;
    }

    /// <summary>How calls are made.</summary>
    public abstract class MessagingOptions
    {
        /// <summary>How long a caller waits for an answer before it gets a <see cref="TimeoutException"/>. 30 s by default.</summary>
        public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>Whether a call that timed out also cancels the token that the grain was given.</summary>
        public bool CancelRequestOnTimeout { get; set; }

        /// <summary>Whether a caller who cancels waits for the grain's answer, instead of going on at once.</summary>
        public bool WaitForCancellationAcknowledgement { get; set; }
    }

    /// <summary>How calls are made within a silo.</summary>
    public class SiloMessagingOptions : MessagingOptions
    {
        /// <summary>
        /// Calls, running and waiting, that an activation may have before it warns in the log. 0, the default, for no limit.
        /// </summary>
        public int MaxEnqueuedRequestsSoftLimit { get; set; }

        /// <summary>
        /// Calls, running and waiting, that an activation may have before it refuses further ones with a
        /// <see cref="Orleans.Runtime.LimitExceededException"/>. 0, the default, for no limit.
        /// </summary>
        public int MaxEnqueuedRequestsHardLimit { get; set; }

        /// <summary>How often a call that meets a deactivation may be sent on. Accepted and not used: calls wait in the one silo for the next activation.</summary>
        public int MaxForwardCount { get; set; } = 2;
    }

    /// <summary>Where ADO.NET keeps grain state.</summary>
    public class AdoNetGrainStorageOptions
    {
        /// <summary>How to reach the database.</summary>
        public string? ConnectionString { get; set; }

        /// <summary>A ready data source instead of a connection string (PostgreSQL only).</summary>
        public DbDataSource? DataSource { get; set; }

        /// <summary>Which database: "Npgsql" for PostgreSQL, "System.Data.SQLite" or "Microsoft.Data.Sqlite" for SQLite.</summary>
        public string Invariant { get; set; } = "";

        /// <summary>Whether clearing removes the row. Otherwise the row stays, empty, so that its version goes on counting.</summary>
        public bool DeleteStateOnClear { get; set; }
    }

    /// <summary>Where ADO.NET keeps reminders.</summary>
    public class AdoNetReminderTableOptions
    {
        /// <summary>Which database: "Npgsql" for PostgreSQL, "System.Data.SQLite" or "Microsoft.Data.Sqlite" for SQLite.</summary>
        public string Invariant { get; set; } = null!;

        /// <summary>How to reach the database.</summary>
        public string? ConnectionString { get; set; }

        /// <summary>A ready data source instead of a connection string (PostgreSQL only).</summary>
        public DbDataSource? DataSource { get; set; }
    }

    /// <summary>Where ADO.NET would keep the cluster's members. One silo has none: it is accepted and not used.</summary>
    public class AdoNetClusteringSiloOptions
    {
        /// <summary>How to reach the database.</summary>
        public string? ConnectionString { get; set; }

        /// <summary>A ready data source instead of a connection string.</summary>
        public DbDataSource? DataSource { get; set; }

        /// <summary>Which database.</summary>
        public string Invariant { get; set; } = null!;
    }

    /// <summary>Grain state in memory only: gone with the process.</summary>
    public class MemoryGrainStorageOptions;
}

namespace Orleans.Hosting
{
    /// <summary>How reminders work.</summary>
    public sealed class ReminderOptions
    {
        /// <summary>The shortest period that a reminder may have. A minute by default.</summary>
        public TimeSpan MinimumReminderPeriod { get; set; } = TimeSpan.FromMinutes(1);

        /// <summary>How long reading the reminders at start may take. 5 minutes by default.</summary>
        public TimeSpan InitializationTimeout { get; set; } = TimeSpan.FromMinutes(5);
    }
}

namespace Orleans
{
    /// <summary>How long activations of this class stay when idle.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public class CollectionAgeLimitAttribute : Attribute
    {
        /// <summary>The shortest limit: a minute.</summary>
        public static readonly TimeSpan MinAgeLimit = TimeSpan.FromMinutes(1);

        private readonly TimeSpan? given;

        /// <summary>A limit from <see cref="Days"/>, <see cref="Hours"/> and <see cref="Minutes"/>.</summary>
        public CollectionAgeLimitAttribute() { }

        /// <summary>A limit as <see cref="TimeSpan.Parse(string)"/> reads it.</summary>
        public CollectionAgeLimitAttribute(string inactivityPeriod) => given = TimeSpan.Parse(inactivityPeriod, System.Globalization.CultureInfo.InvariantCulture);

        /// <summary>Days of the limit.</summary>
        public double Days { get; set; }

        /// <summary>Hours of the limit.</summary>
        public double Hours { get; set; }

        /// <summary>Minutes of the limit.</summary>
        public double Minutes { get; set; }

        /// <summary>Never deactivated for being idle.</summary>
        public bool AlwaysActive { get; set; }

        /// <summary>The limit, at least <see cref="MinAgeLimit"/> where it is made of parts.</summary>
        public TimeSpan AgeLimit
        {
            get
            {
                if (AlwaysActive) return TimeSpan.FromDays(short.MaxValue);
                if (given is { } limit) return limit;
                var sum = TimeSpan.FromDays(Days) + TimeSpan.FromHours(Hours) + TimeSpan.FromMinutes(Minutes);
                return sum < MinAgeLimit ? MinAgeLimit : sum;
            }
        }
    }

    /// <summary>Activations of this class are never deactivated for being idle.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public class KeepAliveAttribute : Attribute;

    /// <summary>Names the kind of a grain class, so that renaming the class keeps its stored state.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class GrainTypeAttribute(string grainType) : Attribute
    {
        internal string Name { get; } = grainType;
    }
}
