using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.RegularExpressions;
using Vigil.Metrics.Api;
using Vigil.Metrics.Rollups;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics;

/// <summary>Settings of the Metrics service, from the configuration section <c>Metrics</c>. Checked at start.</summary>
internal sealed class MetricsOptions : IValidatedOptions
{
    /// <summary>The section's name.</summary>
    public const string Section = "Metrics";

    /// <summary>The highest value of <see cref="MaxSamplesPerFrame"/>.</summary>
    public const int MostSamplesPerFrame = 1_000_000;

    /// <summary>
    /// Grains that the series of one service are spread over, by hash of their labels. One is right up to about 50,000 series
    /// or 200,000 samples/s a service. May be raised at any time: what older grains hold is still found.
    /// </summary>
    [Range(1, 64)]
    public int ShardsPerService { get; set; } = 1;

    /// <summary>Series in one grain; more are refused.</summary>
    [Range(1, 10_000_000)]
    public int MaxSeriesPerShard { get; set; } = 100_000;

    /// <summary>Services (more exactly: their grains) known at all; more are refused.</summary>
    [Range(1, 1_000_000)]
    public int MaxServices { get; set; } = 10_000;

    /// <summary>Series that one push stream may declare.</summary>
    [Range(1, 10_000_000)]
    public int MaxSeriesPerStream { get; set; } = 100_000;

    /// <summary>Series that one caller, by its token, may declare on all of its open push streams together.</summary>
    [Range(1, 100_000_000)]
    public int MaxSeriesPerCaller { get; set; } = 1_000_000;

    /// <summary>Push streams open at once in this process.</summary>
    [Range(1, 1_000_000)]
    public int MaxPushStreams { get; set; } = 2_000;

    /// <summary>Samples in one frame.</summary>
    [Range(1, MostSamplesPerFrame)]
    public int MaxSamplesPerFrame { get; set; } = 65_536;

    /// <summary>Frames of one stream that are worked on at once before the server stops reading.</summary>
    [Range(1, 1_024)]
    public int MaxFramesInFlight { get; set; } = 32;

    /// <summary>Data points in one OTLP export.</summary>
    [Range(1, 10_000_000)]
    public int MaxPointsPerExport { get; set; } = 100_000;

    /// <summary>How names of OpenTelemetry become names here. Changing it gives the same measurements other names from then on.</summary>
    public OtlpTranslation OtlpTranslation { get; set; }

    /// <summary>Bytes of one remote write or OTLP/HTTP request after decompression. As sent it may have <c>Listen:MaxRequestBytes</c>.</summary>
    [Range(1_024, 1_073_741_824)]
    public int MaxBodyBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>Remote write and OTLP/HTTP requests worked on at once in this process; more are asked to come again.</summary>
    [Range(1, 100_000)]
    public int MaxWriteRequests { get; set; } = 256;

    /// <summary>
    /// Series whose place is remembered between remote write requests, so that they are not looked up by their labels each time: about 80 bytes each. Should be
    /// above the number of series that come in.
    /// </summary>
    [Range(16, 100_000_000)]
    public int MaxCachedSeries { get; set; } = 1_000_000;

    /// <summary>Streams whose last sequence number a grain remembers; idle ones are forgotten after <see cref="StreamMemory"/>.</summary>
    [Range(1, 1_000_000)]
    public int MaxStreamsRemembered { get; set; } = 10_000;

    /// <summary>How long a stream that sends nothing can still be resumed without counting twice.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "90.00:00:00")]
    public TimeSpan StreamMemory { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How far ahead of this server's clock a sample may be.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan MaxAhead { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long samples and rollups are kept, and how many bytes of them.</summary>
    public RetentionOptions Retention { get; set; } = new();

    /// <summary>Sealed samples are rolled up once the oldest of those that are not is this old. Until then queries over long ranges read them one by one.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan RollupDelay { get; set; } = TimeSpan.FromHours(2);

    /// <summary>Samples younger than this are held in memory; older ones are read from the database when a query asks.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "31.00:00:00")]
    public TimeSpan MemoryWindow { get; set; } = TimeSpan.FromHours(2);

    /// <summary>The most samples of a series held in memory, on average over the series that are stored together (512 of neighbouring numbers).</summary>
    [Range(160, 10_000_000)]
    public int MaxSamplesInMemoryPerSeries { get; set; } = 14_400;

    /// <summary>How often a grain writes its state out and trims its journal.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan CheckpointInterval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Bytes of journal after which a grain does so earlier. Bounds how much is replayed at a start.</summary>
    [Range(4_096, 1_073_741_824)]
    public long CheckpointJournalBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Rows in one group commit of the journal.</summary>
    [Range(1, 65_536)]
    public int JournalBatchRows { get; set; } = 1_024;

    /// <summary>Bytes in one group commit of the journal.</summary>
    [Range(4_096, 268_435_456)]
    public int JournalBatchBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>Rows waiting for the journal before callers are made to wait.</summary>
    [Range(16, 1_000_000)]
    public int JournalQueueRows { get; set; } = 8_192;

    /// <summary>Characters of an expression.</summary>
    [Range(16, 1_048_576)]
    public int MaxExpressionLength { get; set; } = 16_384;

    /// <summary>The time zone of calendar windows (<c>[month]</c>) that name none, by its IANA name.</summary>
    public string TimeZone { get; set; } = "UTC";

    /// <summary>Series that the selectors of one query may find.</summary>
    [Range(1, 10_000_000)]
    public int MaxSeriesPerQuery { get; set; } = 100_000;

    /// <summary>Label names, or values of a label, that one request for them may be answered.</summary>
    [Range(1, 10_000_000)]
    public int MaxLabelValues { get; set; } = 500_000;

    /// <summary>Samples that one query may load.</summary>
    [Range(1, 1_000_000_000)]
    public int MaxSamplesPerQuery { get; set; } = 20_000_000;

    /// <summary>Grains that one query asks at once.</summary>
    [Range(1, 1_024)]
    public int QueryConcurrency { get; set; } = 16;

    /// <summary>How long a query may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Queries evaluated at once, watched expressions and recording rules not counted. Each holds a thread while it is evaluated: far more than there are
    /// processors would leave none for what comes in.
    /// </summary>
    [Range(1, 10_000)]
    public int MaxConcurrentQueries { get; set; } = Math.Max(4, 2 * Environment.ProcessorCount);

    /// <summary>Queries that wait for their turn; more are sent away.</summary>
    [Range(0, 100_000)]
    public int MaxQueuedQueries { get; set; } = 200;

    /// <summary>Queries that take this long are logged and counted.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SlowQueryThreshold { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Web pages from these origins may read answers of the Prometheus API: a regular expression for the whole origin, by default any, as Prometheus has it. Callers
    /// without a token (<c>Auth:AllowLoopbackRead</c>) are answered only pages from this machine, whatever is set here. Empty: no page may.
    /// </summary>
    public string CorsOrigin { get; set; } = ".*";

    /// <summary>Expressions that one Watch call may register.</summary>
    [Range(1, 100_000)]
    public int MaxWatchesPerStream { get; set; } = 1_000;

    /// <summary>Expressions that one caller, by its token, may watch on all of its Watch calls together.</summary>
    [Range(1, 1_000_000)]
    public int MaxWatchesPerCaller { get; set; } = 5_000;

    /// <summary>
    /// The share of the processors' time that watched expressions may take together. Beyond it they are evaluated less often, dear ones
    /// before cheap ones; the rest stays with queries and with what comes in.
    /// </summary>
    [Range(0.05, 0.95)]
    public double StandingQueryShare { get; set; } = 0.5;

    /// <summary>Grains that the watched expressions with a plan are spread over, by what they read. Each works on one processor at a time.</summary>
    [Range(1, 256)]
    public int StandingGroups { get; set; } = 8;

    /// <summary>
    /// Samples that watched expressions with a plan hold in this process, so that they need not read them again; 16 bytes each, some room to grow
    /// included. A series counts 16 more. Expressions for which there is no room are evaluated in full. 0: all are.
    /// </summary>
    [Range(0, 1_000_000_000)]
    public int MaxStandingSamples { get; set; } = 10_000_000;

    /// <summary>The longest window, its offset included, that samples are held for; expressions that look back further are evaluated in full.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "31.00:00:00")]
    public TimeSpan MaxStandingWindow { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Watch calls open at once in this process.</summary>
    [Range(1, 100_000)]
    public int MaxWatchStreams { get; set; } = 1_000;

    /// <summary>Standing queries that may follow one service grain.</summary>
    [Range(1, 1_000_000)]
    public int MaxSubscribersPerShard { get; set; } = 10_000;

    /// <summary>Minutes outlive the samples they are made of, so that there have to be some of every series.</summary>
    public bool KeepsMinutesLonger => Retention.Of(Resolution.Minute) > Retention.Raw;

    /// <inheritdoc/>
    public IEnumerable<OptionFault> Validate()
    {
        foreach (var property in typeof(MetricsOptions).GetProperties())
        {
            var value = property.GetValue(this);
            if (property.GetCustomAttribute<RangeAttribute>() is { } range && !range.IsValid(value))
                yield return new OptionFault(property.Name, value, $"{range.Minimum} to {range.Maximum}");
        }
        if (!IsRegex(CorsOrigin)) yield return new OptionFault(nameof(CorsOrigin), CorsOrigin, "a regular expression");
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(TimeZone, out _)) yield return new OptionFault(nameof(TimeZone), TimeZone, "the IANA name of a time zone that this machine knows, such as Europe/Berlin");
        foreach (var fault in Retention.Validate()) yield return fault;
        if (MemoryWindow > Retention.Raw) yield return new OptionFault(nameof(MemoryWindow), MemoryWindow, $"at most {nameof(Retention)}:{nameof(RetentionOptions.Raw)} ({Retention.Raw})");
    }

    private static bool IsRegex(string pattern)
    {
        try
        {
            _ = new Regex(pattern);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
