using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using SeriesKind = Vigil.Metrics.Series.SeriesKind;

namespace Vigil.Metrics.Api;

/// <summary>Contract to domain and back, for what comes in.</summary>
internal static class IngestMapping
{
    public static SeriesKind ToDomain(this V1.SeriesKind kind) => kind switch
    {
        V1.SeriesKind.Gauge => SeriesKind.Gauge,
        V1.SeriesKind.Counter => SeriesKind.Counter,
        _ => SeriesKind.Unknown,
    };

    public static RefusalReason ToReason(this RefusalCause cause) => cause switch
    {
        RefusalCause.UndeclaredSeries => RefusalReason.UndeclaredSeries,
        RefusalCause.BadName => RefusalReason.BadName,
        RefusalCause.BadLabel => RefusalReason.BadLabel,
        RefusalCause.TooManyLabels => RefusalReason.TooManyLabels,
        RefusalCause.SeriesLimit => RefusalReason.SeriesLimit,
        RefusalCause.TooOld => RefusalReason.TooOld,
        RefusalCause.TooFarAhead => RefusalReason.TooFarAhead,
        RefusalCause.ConflictingDuplicate => RefusalReason.ConflictingDuplicate,
        RefusalCause.ConflictingDeclaration => RefusalReason.ConflictingDeclaration,
        RefusalCause.FrameTooLarge => RefusalReason.FrameTooLarge,
        _ => RefusalReason.Unspecified,
    };

    public static RefusalCause ToCause(this RefusalReason reason) => reason switch
    {
        RefusalReason.BadName => RefusalCause.BadName,
        RefusalReason.BadLabel => RefusalCause.BadLabel,
        RefusalReason.TooManyLabels => RefusalCause.TooManyLabels,
        RefusalReason.SeriesLimit => RefusalCause.SeriesLimit,
        RefusalReason.ConflictingDeclaration => RefusalCause.ConflictingDeclaration,
        RefusalReason.FrameTooLarge => RefusalCause.FrameTooLarge,
        _ => RefusalCause.UndeclaredSeries,
    };

    /// <summary>A sentence for the sender, with the limit where there is one.</summary>
    public static string Describe(this RefusalCause cause, MetricsOptions options) => cause switch
    {
        RefusalCause.UndeclaredSeries => "the series is not declared on this stream, or expired because nothing came for as long as samples are kept: declare it again",
        RefusalCause.TooOld => $"older than the samples of this series that still take late ones, or older than {options.Retention.Raw} (Metrics:{nameof(MetricsOptions.Retention)}:{nameof(RetentionOptions.Raw)})",
        RefusalCause.TooFarAhead => $"more than {options.MaxAhead} ahead of the server's clock (Metrics:{nameof(MetricsOptions.MaxAhead)})",
        RefusalCause.ConflictingDuplicate => "another value is stored for this series and millisecond",
        _ => cause.ToString(),
    };
}
