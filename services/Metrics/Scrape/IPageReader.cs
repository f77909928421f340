namespace Vigil.Metrics.Scrape;

/// <summary>Reads a page of metrics entry by entry, whatever its format. What is read is valid until the next call of <see cref="Read"/>.</summary>
internal interface IPageReader
{
    /// <summary>What was read.</summary>
    ExpositionEntry Entry { get; }

    /// <summary>
    /// A series that the next sample may well be of, in the bytes that an earlier <see cref="Series"/> was: pages mostly repeat the one before, and to compare is quicker than to find the end of the labels.
    /// </summary>
    byte[]? Expected { set; }

    /// <summary>Of a sample: it is of the series that was expected.</summary>
    bool IsExpected { get; }

    /// <summary>Of a sample: name and labels as text, which <see cref="SeriesText"/> makes labels of.</summary>
    ReadOnlySpan<byte> Series { get; }

    /// <summary>Of a sample that is a float.</summary>
    double Value { get; }

    /// <summary>Of a sample that is a native histogram, as <see cref="Metrics.Series.HistogramCodec"/> writes it; null where it is a float.</summary>
    byte[]? Histogram { get; }

    /// <summary>Of a sample: milliseconds since 1970; null where the page says none.</summary>
    long? TimeMs { get; }

    /// <summary>Of metadata: the metric family's name, escaped as values are.</summary>
    ReadOnlySpan<byte> Name { get; }

    /// <summary>Of metadata: what is said about it, still escaped.</summary>
    ReadOnlySpan<byte> Detail { get; }

    /// <summary>Why <see cref="Read"/> ended early; null where the page was read to its end.</summary>
    string? Error { get; }

    /// <summary>What was read last, for messages.</summary>
    string Place { get; }

    /// <summary>Goes to the next entry; false at the end, or at an error.</summary>
    bool Read();
}
