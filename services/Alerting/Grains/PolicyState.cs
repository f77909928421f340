using System.Globalization;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Grains;

/// <summary>What is stored of a policy: the alerts and, in the same write, the pages that have yet to be told.</summary>
[GenerateSerializer, Alias("vigil.alerting.policy-state")]
internal sealed class PolicyState
{
    /// <summary>The definition in force; empty before there is one.</summary>
    [Id(0)]
    public string DefinitionJson { get; set; } = "";

    [Id(1)]
    public List<StoredAlert> Alerts { get; set; } = [];

    [Id(2)]
    public List<StoredPage> Outbox { get; set; } = [];

    /// <summary>When something was last heard from the watch, in ticks of UTC.</summary>
    [Id(3)]
    public long HeardAtTicks { get; set; }

    /// <summary>True once the policy was removed and only its outbox is left.</summary>
    [Id(4)]
    public bool Retired { get; set; }

    /// <summary>The book after a restart: nothing is known until the next evaluation, whenever it was stored.</summary>
    public AlertBook ToBook()
    {
        if (Alerts.Count == 0) return AlertBook.Empty;
        var heard = new DateTimeOffset(HeardAtTicks, TimeSpan.Zero);
        return new AlertBook(Alerts.Select(a => a.ToAlert(heard)).ToDictionary(a => a.Labels), Sight.Unknown, "restarted; not evaluated since", DateTimeOffset.MinValue, heard);
    }

    /// <summary>The same policy with another book and outbox.</summary>
    public PolicyState With(AlertBook book, List<StoredPage> outbox) => new()
    {
        DefinitionJson = DefinitionJson,
        Alerts = [.. book.Alerts.Values.Select(StoredAlert.Of)],
        Outbox = outbox,
        HeardAtTicks = Math.Max(0, book.HeardAt.UtcTicks),
        Retired = Retired,
    };
}

/// <summary>An alert as stored. Times are ticks of UTC, 0 for none; labels are names and values in turn.</summary>
[GenerateSerializer, Alias("vigil.alerting.stored-alert")]
internal sealed class StoredAlert
{
    [Id(0)]
    public string[] Labels { get; set; } = [];

    [Id(1)]
    public string[] Source { get; set; } = [];

    [Id(2)]
    public int Status { get; set; }

    /// <summary>As text: JSON has no NaN and no infinities.</summary>
    [Id(3)]
    public string Value { get; set; } = "";

    [Id(4)]
    public long ActiveAt { get; set; }

    [Id(5)]
    public long FiredAt { get; set; }

    [Id(6)]
    public long ResolvedAt { get; set; }

    [Id(7)]
    public long KeepFiringSince { get; set; }

    public static StoredAlert Of(Alert alert) => new()
    {
        Labels = LabelArrays.From(alert.Labels),
        Source = LabelArrays.From(alert.Source),
        Status = (int)alert.Status,
        Value = alert.Value.ToString("R", CultureInfo.InvariantCulture),
        ActiveAt = alert.ActiveAt.UtcTicks,
        FiredAt = alert.FiredAt?.UtcTicks ?? 0,
        ResolvedAt = alert.ResolvedAt?.UtcTicks ?? 0,
        KeepFiringSince = alert.KeepFiringSince?.UtcTicks ?? 0,
    };

    public Alert ToAlert(DateTimeOffset seenAt) => new(LabelArrays.To(Labels), LabelArrays.To(Source), (AlertStatus)Status,
        double.Parse(Value, CultureInfo.InvariantCulture), Time(ActiveAt)!.Value, Time(FiredAt), Time(ResolvedAt), Time(KeepFiringSince), seenAt);

    private static DateTimeOffset? Time(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);
}

/// <summary>A page that has yet to be told.</summary>
[GenerateSerializer, Alias("vigil.alerting.stored-page")]
internal sealed class StoredPage
{
    [Id(0)]
    public string IdempotencyKey { get; set; } = "";

    [Id(1)]
    public string PageJson { get; set; } = "";

    /// <summary>The alert's; empty in states of earlier versions.</summary>
    [Id(2)]
    public string Fingerprint { get; set; } = "";

    [Id(3)]
    public bool Firing { get; set; }

    public static StoredPage Of(Page page) => new() { IdempotencyKey = page.IdempotencyKey, PageJson = page.ToJson(), Fingerprint = page.Fingerprint, Firing = page.Firing };

    /// <summary>The same, with what earlier versions did not store.</summary>
    public StoredPage Completed() => Fingerprint.Length > 0 ? this : Of(ToPage());

    public Page ToPage() => Page.FromJson(PageJson);

    public OutboxEntry ToEntry() => new(IdempotencyKey, Fingerprint, Firing);
}

/// <summary>Labels as grains pass and store them: names and values in turn.</summary>
internal static class LabelArrays
{
    public static string[] From(AlertLabels labels)
    {
        var array = new string[labels.Count * 2];
        var i = 0;
        foreach (var (name, value) in labels)
        {
            array[i++] = name;
            array[i++] = value;
        }
        return array;
    }

    public static AlertLabels To(string[] array)
    {
        var pairs = new KeyValuePair<string, string>[array.Length / 2];
        for (var i = 0; i < pairs.Length; i++) pairs[i] = new(array[2 * i], array[2 * i + 1]);
        return AlertLabels.From(pairs);
    }
}
