namespace Vigil.Metrics.Scrape;

/// <summary>Why a scrape failed as a whole. One counter each.</summary>
internal enum ScrapeFault
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>There was no answer, or it broke off.</summary>
    Unreachable,

    /// <summary>There was no whole answer in time.</summary>
    Timeout,

    /// <summary>The answer was not 200.</summary>
    Status,

    /// <summary>The page is larger than <c>Metrics:MaxScrapeBytes</c> or the job's body_size_limit.</summary>
    TooLarge,

    /// <summary>The page is not in its format.</summary>
    Malformed,

    /// <summary>More samples than the job's sample_limit.</summary>
    SampleLimit,

    /// <summary>More or longer labels than the job's limits.</summary>
    LabelLimit,

    /// <summary>The job has more targets than its target_limit.</summary>
    TargetLimit,
}
