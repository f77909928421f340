namespace Vigil.Metrics.Api;

/// <summary>
/// The tags of remote write's two messages, as they differ. Common to both: a series has its labels in field 1 and its samples in field 2, a sample
/// its value in field 1 and its milliseconds in field 2.
/// </summary>
/// <remarks>
/// <c>prometheus.WriteRequest</c> (https://prometheus.io/docs/specs/prw/remote_write_spec/) and <c>io.prometheus.write.v2.Request</c>
/// (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/).
/// </remarks>
internal sealed record RemoteWriteFormat(bool HasSymbols, int SeriesTag, int HistogramTag)
{
    public const int LabelsTag = 1 << 3 | LengthDelimited;
    public const int SampleTag = 2 << 3 | LengthDelimited;

    /// <summary>Version 2.0: of the request.</summary>
    public const int SymbolTag = 4 << 3 | LengthDelimited;

    /// <summary>Version 2.0: of a series.</summary>
    public const int MetadataTag = 5 << 3 | LengthDelimited;

    /// <summary>Version 2.0: when the counter of a series began.</summary>
    public const int StartTag = 6 << 3;

    private const int LengthDelimited = 2;

    public static readonly RemoteWriteFormat V1 = new(HasSymbols: false, SeriesTag: 1 << 3 | LengthDelimited, HistogramTag: 4 << 3 | LengthDelimited);

    public static readonly RemoteWriteFormat V2 = new(HasSymbols: true, SeriesTag: 5 << 3 | LengthDelimited, HistogramTag: 3 << 3 | LengthDelimited);
}
