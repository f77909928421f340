using System.Diagnostics;
using System.Diagnostics.Metrics;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics;

/// <summary>What the service counts about itself.</summary>
internal sealed class MetricsInstruments
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Vigil.Metrics";

    private readonly Counter<long> deleted;
    private readonly Counter<long> refused;
    private readonly Counter<long> requestsRefused;
    private readonly Counter<long> storageFailures;
    private readonly Histogram<double> ruleEvaluations;
    private readonly Counter<long> standingEvaluations;
    private readonly Counter<long> standingMicroseconds;
    private readonly KeyValuePair<string, object?>[] causes =
        [.. Enum.GetNames<RefusalCause>().Select(name => new KeyValuePair<string, object?>("cause", Snake(name)))];
    private readonly KeyValuePair<string, object?>[] doors =
        [.. Enum.GetNames<Door>().Select(name => new KeyValuePair<string, object?>("door", Snake(name)))];

    public MetricsInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        Accepted = meter.CreateCounter<long>("vigil.metrics.samples.accepted", "{sample}", "Samples stored durably.");
        Duplicates = meter.CreateCounter<long>("vigil.metrics.samples.duplicate", "{sample}", "Samples that were stored before and are counted once.");
        refused = meter.CreateCounter<long>("vigil.metrics.samples.refused", "{sample}", "Samples and declarations refused, by cause and by the door at which they came in.");
        requestsRefused = meter.CreateCounter<long>("vigil.metrics.requests.refused", "{request}", "Requests of OTLP and remote write refused as a whole, and push streams refused or ended, by door and reason.");
        PushStreams = meter.CreateUpDownCounter<long>("vigil.metrics.push.streams", "{stream}", "Push streams open.");
        WriteRequests = meter.CreateUpDownCounter<long>("vigil.metrics.write.requests", "{request}", "Remote write and OTLP/HTTP requests being worked on.");
        WatchStreams = meter.CreateUpDownCounter<long>("vigil.metrics.watch.streams", "{stream}", "Watch calls open.");
        Watches = meter.CreateUpDownCounter<long>("vigil.metrics.watches", "{watch}", "Expressions being watched.");
        WatchesRefused = meter.CreateCounter<long>("vigil.metrics.watches.refused", "{watch}", "Expressions not watched, because their call or caller watched as many as it may, and calls beyond those that may be open, by limit.");
        EvaluationsDeferred = meter.CreateCounter<long>("vigil.metrics.watches.deferred", "{evaluation}", "Evaluations of watched expressions whose next one was put off, because all of them had used up their share of the processors.");
        standingEvaluations = meter.CreateCounter<long>("vigil.metrics.standing.evaluations", "{evaluation}", "Evaluations of watched expressions, by mode: incremental from samples as they came, or full from samples that were read.");
        standingMicroseconds = meter.CreateCounter<long>("vigil.metrics.standing.microseconds", "us", "Processor's time of these evaluations, by mode; of the full ones partly an estimate.");
        StandingExpressions = meter.CreateUpDownCounter<long>("vigil.metrics.standing.expressions", "{expression}", "Expressions whose value is kept up to date from sample to sample.");
        StandingRefused = meter.CreateCounter<long>("vigil.metrics.standing.refused", "{expression}", "Watched expressions that are evaluated in full, by cause: their shape, a window that is too long, or data that a plan does not deal with.");
        StandingReads = meter.CreateCounter<long>("vigil.metrics.standing.reads", "{read}", "Times that the samples of a selection were read, because it was new or something was missed.");
        Series = meter.CreateUpDownCounter<long>("vigil.metrics.series", "{series}", "Series in the grains of this process.");
        JournalRows = meter.CreateCounter<long>("vigil.metrics.journal.rows", "{row}", "Rows made durable.");
        JournalFailures = meter.CreateCounter<long>("vigil.metrics.journal.failures", "{commit}", "Group commits that failed.");
        storageFailures = meter.CreateCounter<long>("vigil.metrics.storage.failures", "{read}", "Reads of the database that failed, by cause: damaged where a stored row is, unavailable where the database could not be asked.");
        JournalCommit = meter.CreateHistogram<double>("vigil.metrics.journal.commit.duration", "s", "Time of one group commit.");
        Checkpoints = meter.CreateHistogram<double>("vigil.metrics.checkpoint.duration", "s", "Time of one grain's checkpoint.");
        RollupPagesDamaged = meter.CreateCounter<long>("vigil.metrics.rollups.damaged", "{page}", "Times that a damaged page of rollups was met, and what is finer was read in its place.");
        PagesRolledUp = meter.CreateCounter<long>("vigil.metrics.rollups.pages", "{page}", "Pages of samples that were rolled up.");
        deleted = meter.CreateCounter<long>("vigil.metrics.retention.deleted", "{page}", "Pages deleted, by resolution and by what they were too much of: age or size.");
        QueriesRefused = meter.CreateCounter<long>("vigil.metrics.queries.refused", "{query}", "Requests of the Prometheus API answered with an error, by its type.");
        QueriesRunning = meter.CreateUpDownCounter<long>("vigil.metrics.queries.running", "{query}", "Queries being evaluated, watched expressions not counted.");
        SlowQueries = meter.CreateCounter<long>("vigil.metrics.queries.slow", "{query}", "Queries that took as long as the log of slow queries begins at, by kind.");
        ruleEvaluations = meter.CreateHistogram<double>("vigil.metrics.rules.evaluation.duration", "s", "Time of one evaluation of a recording rule, until what it yielded is durable, by outcome.");
        RuleEvaluationsMissed = meter.CreateCounter<long>("vigil.metrics.rules.missed", "{evaluation}", "Evaluations of rule groups that were left out, because the one before took longer than the interval.");
        RuleFilesRefused = meter.CreateCounter<long>("vigil.metrics.rules.files.refused", "{file}", "Files of recording rules refused for an error in them.");
        Queries = meter.CreateHistogram<double>("vigil.metrics.query.duration", "s", "Time of one query, by kind and outcome.");
    }

    public Counter<long> Accepted { get; }

    public Counter<long> Duplicates { get; }

    public UpDownCounter<long> PushStreams { get; }

    public UpDownCounter<long> WriteRequests { get; }

    public UpDownCounter<long> WatchStreams { get; }

    public UpDownCounter<long> Watches { get; }

    public Counter<long> WatchesRefused { get; }

    public Counter<long> EvaluationsDeferred { get; }

    public UpDownCounter<long> StandingExpressions { get; }

    public Counter<long> StandingRefused { get; }

    public Counter<long> StandingReads { get; }

    public UpDownCounter<long> Series { get; }

    public Counter<long> JournalRows { get; }

    public Counter<long> JournalFailures { get; }

    public Histogram<double> JournalCommit { get; }

    public Histogram<double> Checkpoints { get; }

    public Counter<long> RollupPagesDamaged { get; }

    public Counter<long> PagesRolledUp { get; }

    public Counter<long> QueriesRefused { get; }

    public UpDownCounter<long> QueriesRunning { get; }

    public Counter<long> SlowQueries { get; }

    public Histogram<double> Queries { get; }

    public Counter<long> RuleEvaluationsMissed { get; }

    public Counter<long> RuleFilesRefused { get; }

    /// <summary>Pages that were deleted.</summary>
    public Counter<long> PagesDeleted => deleted;

    /// <summary>Counts pages that were deleted.</summary>
    public void Deleted(Resolution resolution, string reason, int pages) =>
        deleted.Add(pages, new KeyValuePair<string, object?>("resolution", Snake(resolution.ToString())), new KeyValuePair<string, object?>("reason", reason));

    /// <summary>Notes how long the evaluation of a recording rule took.</summary>
    public void RuleEvaluated(bool failed, TimeSpan took) => ruleEvaluations.Record(took.TotalSeconds, new KeyValuePair<string, object?>("outcome", failed ? "error" : "ok"));

    /// <summary>Requests that were refused as a whole, and push streams refused or ended, by door and reason.</summary>
    public void RefuseRequest(Door door, string reason) => requestsRefused.Add(1, doors[(int)door], new KeyValuePair<string, object?>("reason", reason));

    /// <summary>Counts a read of the database that failed: each time that somebody needed what could not be had.</summary>
    public void StorageFailed(bool damaged) => storageFailures.Add(1, new KeyValuePair<string, object?>("cause", damaged ? "damaged" : "unavailable"));

    /// <summary>Counts what was refused.</summary>
    public void Refuse(Door door, RefusalCause cause, long samples = 1) => refused.Add(samples, causes[(int)cause], doors[(int)door]);

    /// <summary>Counts evaluations of standing queries.</summary>
    public void EvaluatedStanding(bool incremental, int evaluations, TimeSpan work)
    {
        var mode = new KeyValuePair<string, object?>("mode", incremental ? "incremental" : "full");
        standingEvaluations.Add(evaluations, mode);
        standingMicroseconds.Add((long)work.TotalMicroseconds, mode);
    }

    /// <summary>Notes how long a query took.</summary>
    public void Queried(string kind, bool failed, TimeSpan took) =>
        Queries.Record(took.TotalSeconds, new TagList { { "kind", kind }, { "outcome", failed ? "error" : "ok" } });

    /// <summary>A name of the program as label values are written.</summary>
    public static string Snake(string name) =>
        string.Concat(name.Select((c, i) => char.IsAsciiLetterUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
