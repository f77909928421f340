using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>What a job, or <c>global</c> for those that say nothing, says about pages: their limits and formats, and what counts in them.</summary>
internal sealed record PageSettings
{
    private const string Utf8 = "utf8";

    private static readonly string[] NoEffect = ["convert_classic_histograms_to_nhcb", "fallback_scrape_protocol", "extra_scrape_metrics", "keep_dropped_targets", "enable_http2"];

    /// <summary>What one scrape may bring.</summary>
    public ScrapeLimits Limits { get; init; } = new();

    /// <summary>The formats that are asked for; null for the usual ones.</summary>
    public IReadOnlyList<string>? Protocols { get; init; }

    /// <summary>Native histograms are taken.</summary>
    public bool NativeHistograms { get; init; }

    /// <summary>The classic buckets of native histograms are taken too.</summary>
    public bool ClassicHistograms { get; init; }

    /// <summary>utf8 or legacy.</summary>
    public string Validation { get; init; } = Utf8;

    /// <summary>How names are asked for that are not letters, digits, underscores and colons; null for what fits <see cref="Validation"/>.</summary>
    public string? Escaping { get; init; }

    /// <summary>Only names of letters, digits, underscores and colons are taken.</summary>
    public bool LegacyNames => Validation != Utf8;

    /// <summary>What to ask for.</summary>
    public PageProtocols Asked => PageProtocols.Of(Protocols ?? (NativeHistograms ? PageProtocols.WithHistograms : PageProtocols.Default), Escaping ?? (LegacyNames ? "underscores" : "allow-utf-8"));

    /// <summary>Reads those of a mapping; what it does not say is as it was.</summary>
    public PageSettings Read(YamlMap map)
    {
        foreach (var key in NoEffect)
        {
            if (map.Touch(key)) map.Warn(key, "has no effect here");
        }
        var read = this with
        {
            Limits = ReadLimits(map, ofPages: true),
            Protocols = ReadProtocols(map) ?? Protocols,
            NativeHistograms = map.Flag("scrape_native_histograms") ?? NativeHistograms,
            ClassicHistograms = map.Flag("always_scrape_classic_histograms") ?? map.Flag("scrape_classic_histograms") ?? ClassicHistograms,
            Validation = OneOf(map, "metric_name_validation_scheme", [Utf8, "legacy"]) ?? Validation,
            Escaping = OneOf(map, "metric_name_escaping_scheme", PageProtocols.Escapings) ?? Escaping,
        };
        if (read is { LegacyNames: true, Escaping: "allow-utf-8" }) map.Error("metric_name_escaping_scheme", "'allow-utf-8' asks for names that metric_name_validation_scheme 'legacy' does not take");
        return read;
    }

    /// <summary>Reads the limits of a mapping; what it does not say is as it was.</summary>
    public ScrapeLimits ReadLimits(YamlMap map, bool ofPages) => new(
        map.WholeNumber("sample_limit", 0, int.MaxValue) ?? Limits.Samples,
        map.WholeNumber("label_limit", 0, int.MaxValue) ?? Limits.Labels,
        map.WholeNumber("label_name_length_limit", 0, int.MaxValue) ?? Limits.LabelNameLength,
        map.WholeNumber("label_value_length_limit", 0, int.MaxValue) ?? Limits.LabelValueLength,
        ofPages ? Size(map, "body_size_limit") ?? Limits.BodyBytes : 0,
        map.WholeNumber("target_limit", 0, int.MaxValue) ?? Limits.Targets);

    private static IReadOnlyList<string>? ReadProtocols(YamlMap map)
    {
        if (map.Words("scrape_protocols") is not { } words) return null;
        if (words.Count == 0) map.Error("scrape_protocols", "is empty");
        foreach (var word in words.Where(w => !PageProtocols.WithHistograms.Contains(w))) map.Error("scrape_protocols", $"'{word}' is none of {string.Join(", ", PageProtocols.WithHistograms)}");
        if (words.Distinct().Count() < words.Count) map.Error("scrape_protocols", "names one twice");
        return words;
    }

    private static string? OneOf(YamlMap map, string key, IReadOnlyList<string> words)
    {
        if (map.Text(key) is not { } text) return null;
        if (words.Contains(text)) return text;
        map.Error(key, $"'{text}' is none of {string.Join(", ", words)}");
        return null;
    }

    /// <summary>Bytes, with a unit of 1024: 10MB. 0 for no limit; null where nothing is said.</summary>
    private static long? Size(YamlMap map, string key)
    {
        if (map.Text(key) is not { } text) return null;
        if (text == "0") return 0;
        var digits = text.AsSpan().TrimEnd("KMGTPEiB").ToString();
        var power = text[digits.Length..] switch { "" or "B" => 0, "KB" or "KiB" => 1, "MB" or "MiB" => 2, "GB" or "GiB" => 3, _ => -1 };
        if (power >= 0 && long.TryParse(digits, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number) && number <= int.MaxValue)
            return number << (10 * power);
        map.Error(key, $"'{text}' must be a size such as 512KB or 10MB");
        return null;
    }
}
