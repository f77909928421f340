using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Policies;

/// <summary>
/// How alerts change their status: Prometheus' rules (prometheus/rules/alerting.go), and what Prometheus leaves open, which is
/// what missing knowledge means:
/// <list type="bullet">
/// <item>An alert fires when its expression has held for the policy's whole `for`: at the exact moment, not after it.</item>
/// <item>While there is no data, or nothing is known, nothing fires and nothing resolves: a firing alert stays firing. That is
/// never silence about a problem, at the price of a page that is resolved late.</item>
/// <item>A pending alert keeps its clock through such a gap and fires at the first evaluation after it that still holds, if
/// the clock has run out: a breach seen before and after is taken as one. A gap of more than <see cref="LongestGap"/> starts
/// the clock again.</item>
/// <item>When the wall clock is set back, what has run so far of a `for`, a `keep_firing_for` or a silence has run: they go on from
/// there rather than stand still until the clock has caught up.</item>
/// </list>
/// Pure: takes the time and the state, gives the state after it and what changed.
/// </summary>
internal sealed class AlertRules
{
    /// <summary>How long a resolved alert is remembered (Prometheus' resolvedRetention).</summary>
    public static readonly TimeSpan ResolvedRetention = TimeSpan.FromMinutes(15);

    /// <summary>The longest gap in knowledge over which a pending alert keeps its clock (Prometheus' outage tolerance).</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromHours(1);

    private const string NoSeries = "the expression found no series";

    private static readonly AlertLabels NoDataLabels = AlertLabels.From([new("no_data", "true")]);

    private readonly PolicyDefinition policy;
    private readonly int limit;
    private readonly TimeSpan silence;
    private readonly (string Name, Template Value)[] labels;

    /// <param name="policy">Whose alerts.</param>
    /// <param name="maxAlerts">The most alerts a policy may have, where it sets no lower limit itself.</param>
    /// <param name="silence">After hearing nothing for so long, nothing is known any more.</param>
    public AlertRules(PolicyDefinition policy, int maxAlerts, TimeSpan silence)
    {
        this.policy = policy;
        this.silence = silence;
        limit = policy.Limit > 0 ? Math.Min(policy.Limit, maxAlerts) : maxAlerts;
        labels = [.. policy.Labels.Select(l => (l.Key, Template.Parse(l.Value)))];
    }

    /// <summary>Takes an evaluation.</summary>
    public Step Observe(AlertBook book, Evaluation evaluation, DateTimeOffset now)
    {
        book = AfterSetBack(book, now);
        if (evaluation.Error is { } error) return LoseSight(book, now, Sight.Unknown, error);
        // Once nothing is known any more, any moment is news: Metrics' clock may have been set back while it was away.
        if (evaluation.At < book.EvaluatedAt && book.Sight != Sight.Unknown) return new Step(book, [], null, false);
        var noData = evaluation.InputSeries == 0 && evaluation.Samples.Count == 0 && policy.NoData != NoDataPolicy.Ok;
        if (noData && policy.NoData == NoDataPolicy.Keep)
        {
            var lost = LoseSight(book, now, Sight.NoData, NoSeries);
            return lost with { Book = lost.Book with { EvaluatedAt = evaluation.At, HeardAt = now } };
        }
        // By far the most evaluations find nothing amiss where nothing was amiss before.
        if (!noData && evaluation.Samples.Count == 0 && book.Alerts.Count == 0 && book.Sight == Sight.Clear)
            return new Step(book with { EvaluatedAt = evaluation.At, HeardAt = now }, [], null, false);
        var samples = noData ? [new EvaluationSample(NoDataLabels, double.NaN)] : evaluation.Samples;
        if (samples.Count > limit) return LoseSight(book, now, Sight.Unknown, $"the expression yields {samples.Count:N0} alerts; the limit is {limit:N0}");
        if (!TryLabel(samples, out var found, out var labels, out var twice))
            return LoseSight(book, now, Sight.Unknown, $"two elements of the result have the same labels once the policy's are added: {twice}");

        var work = new Work(this, book, evaluation, now, noData);
        for (var i = 0; i < samples.Count; i++) work.Holds(labels[i], samples[i]);
        foreach (var alert in book.Alerts.Values)
            if (!found.Contains(alert.Labels)) work.Ceased(alert);
        return work.Finish(noData ? Sight.NoData : Sight.Clear, noData ? NoSeries : "");
    }

    /// <summary>
    /// What time alone changes: pending alerts whose `for` is over, resolved ones to forget, and a watch that has fallen silent.
    /// </summary>
    public Step Tick(AlertBook book, DateTimeOffset now)
    {
        book = AfterSetBack(book, now);
        if (book.Sight != Sight.Unknown && now - book.HeardAt > silence)
            return LoseSight(book, now, Sight.Unknown, $"nothing heard from Metrics for {PrometheusDuration.Format(now - book.HeardAt)}");
        if (book.Sight == Sight.Unknown || (book.Sight == Sight.NoData && policy.NoData == NoDataPolicy.Keep)) return new Step(book, [], null, false);
        var work = new Work(this, book, null, now, false);
        foreach (var alert in book.Alerts.Values) work.TimePassed(alert);
        return work.Finish(book.Sight, book.SightReason);
    }

    /// <summary>The moment at which <see cref="Tick"/> next has something to do; null when only an evaluation can change anything.</summary>
    public DateTimeOffset? NextTick(AlertBook book)
    {
        if (book.Sight == Sight.Unknown) return null;
        // A moment later than the limit: the rule is "longer than".
        var next = book.HeardAt + silence + TimeSpan.FromMilliseconds(1);
        foreach (var alert in book.Alerts.Values)
        {
            var due = alert.Status switch
            {
                AlertStatus.Pending when alert.SeenAt >= book.HeardAt => alert.ActiveAt + policy.For,
                AlertStatus.Firing when alert.KeepFiringSince is { } since && book.Sight == Sight.Clear => since + policy.KeepFiringFor,
                _ => next,
            };
            if (due < next) next = due;
        }
        return next;
    }

    /// <summary>Resolves what fires and drops the rest: the policy was changed or removed.</summary>
    public Step End(AlertBook book, DateTimeOffset now, string reason)
    {
        var transitions = new List<Transition>();
        foreach (var alert in book.Alerts.Values)
        {
            if (alert.Status == AlertStatus.Firing)
                transitions.Add(new Transition(AlertStatus.Firing, alert with { Status = AlertStatus.Resolved, ResolvedAt = now }, now, reason, 0));
            else if (alert.Status == AlertStatus.Pending)
                transitions.Add(new Transition(AlertStatus.Pending, alert with { Status = AlertStatus.Inactive }, now, reason, 0));
        }
        return new Step(AlertBook.Empty with { SightReason = reason }, transitions, null, true);
    }

    /// <summary>
    /// The book as it would be, had the clock always shown what it shows since it was set back. When an alert fired or was resolved
    /// stays: people were told so.
    /// </summary>
    private static AlertBook AfterSetBack(AlertBook book, DateTimeOffset now)
    {
        var by = book.HeardAt - now;
        if (by <= TimeSpan.Zero) return book;
        return book with
        {
            Alerts = book.Alerts.ToDictionary(a => a.Key, a => a.Value with { ActiveAt = a.Value.ActiveAt - by, SeenAt = a.Value.SeenAt - by, KeepFiringSince = a.Value.KeepFiringSince - by }),
            // Metrics' clock is likely to have been set back with ours.
            EvaluatedAt = DateTimeOffset.MinValue,
            HeardAt = now,
        };
    }

    private static Step LoseSight(AlertBook book, DateTimeOffset now, Sight to, string reason)
    {
        if (book.Sight == to && book.SightReason == reason) return new Step(book, [], null, false);
        var transition = book.Sight == to ? null : new SightTransition(book.Sight, to, now, reason);
        return new Step(book with { Sight = to, SightReason = reason }, [], transition, false);
    }

    private bool TryLabel(IReadOnlyList<EvaluationSample> samples, out HashSet<AlertLabels> found, out AlertLabels[] all, out AlertLabels? twice)
    {
        found = new HashSet<AlertLabels>(samples.Count);
        all = new AlertLabels[samples.Count];
        twice = null;
        for (var i = 0; i < samples.Count; i++)
        {
            all[i] = Label(samples[i]);
            if (found.Add(all[i])) continue;
            twice = all[i];
            return false;
        }
        return true;
    }

    private AlertLabels Label(EvaluationSample sample)
    {
        var result = new Dictionary<string, string>(sample.Labels.Count + labels.Length + 1, StringComparer.Ordinal);
        foreach (var (name, value) in sample.Labels)
            if (name != "__name__") result[name] = value;
        TemplateData? data = null;
        foreach (var (name, template) in labels) result[name] = template.Expand(data ??= new TemplateData(sample.Labels, sample.Value));
        result["alertname"] = policy.Alert;
        return AlertLabels.From(result);
    }

    /// <summary>One step under way.</summary>
    private sealed class Work(AlertRules rules, AlertBook book, Evaluation? evaluation, DateTimeOffset now, bool noData)
    {
        private readonly Dictionary<AlertLabels, Alert> alerts = new(book.Alerts.Count);
        private readonly List<Transition> transitions = [];
        private bool mustStore;

        private long Cause => evaluation?.CauseReceivedUnixUs ?? 0;

        private TimeSpan For => rules.policy.For;

        /// <summary>The expression holds for these labels.</summary>
        public void Holds(AlertLabels labels, EvaluationSample sample)
        {
            var before = book.Alerts.GetValueOrDefault(labels);
            if (before is null or { Status: AlertStatus.Resolved })
            {
                var alert = new Alert(labels, sample.Labels, AlertStatus.Pending, sample.Value, now, SeenAt: now);
                if (For == TimeSpan.Zero) Fire(alert, AlertStatus.Inactive, "the expression holds, and the policy has no `for`");
                else Change(alert, AlertStatus.Inactive, $"the expression holds; it fires if it does so for {PrometheusDuration.Format(For)}");
                return;
            }
            mustStore |= before.KeepFiringSince is not null;
            var seen = before with { Source = sample.Labels, Value = sample.Value, SeenAt = now, KeepFiringSince = null };
            if (seen.Status == AlertStatus.Pending && now - before.SeenAt > LongestGap)
            {
                mustStore = true;
                seen = seen with { ActiveAt = now };
            }
            if (seen.Status == AlertStatus.Pending && now - seen.ActiveAt >= For) Fire(seen, AlertStatus.Pending, HeldFor());
            else alerts[labels] = seen;
        }

        /// <summary>The expression was evaluated and does not hold for this alert.</summary>
        public void Ceased(Alert alert)
        {
            // Nothing can be said about an alert of its own when the input is gone altogether.
            if (noData) alerts[alert.Labels] = alert;
            else if (alert.Status == AlertStatus.Pending) Drop(alert, "the expression ceased to hold before its `for` was over");
            else if (alert.Status == AlertStatus.Firing) Keep(alert with { KeepFiringSince = KeptSince(alert) });
            else if (now - alert.ResolvedAt <= ResolvedRetention) alerts[alert.Labels] = alert;
            else mustStore = true;
        }

        /// <summary>Nothing new was heard, and what was heard last still stands.</summary>
        public void TimePassed(Alert alert)
        {
            // Not in the newest evaluation because there was no data: time decides nothing about it.
            if (alert.SeenAt < book.HeardAt && (book.Sight == Sight.NoData || alert.Status == AlertStatus.Pending)) alerts[alert.Labels] = alert;
            else if (alert.Status == AlertStatus.Pending && now - alert.ActiveAt >= For) Fire(alert, AlertStatus.Pending, HeldFor());
            else if (alert.Status == AlertStatus.Firing && alert.KeepFiringSince is not null) Keep(alert);
            else if (alert.Status != AlertStatus.Resolved || now - alert.ResolvedAt <= ResolvedRetention) alerts[alert.Labels] = alert;
            else mustStore = true;
        }

        public Step Finish(Sight sight, string reason)
        {
            var change = sight == book.Sight ? null
                : new SightTransition(book.Sight, sight, now, sight == Sight.Clear ? "evaluated over data" : reason);
            if (evaluation is null && transitions.Count == 0 && !mustStore) return new Step(book, [], null, false);
            var after = new AlertBook(alerts, sight, reason, evaluation?.At ?? book.EvaluatedAt, evaluation is null ? book.HeardAt : now);
            return new Step(after, transitions, change, mustStore || transitions.Count > 0);
        }

        private string HeldFor() => $"the expression has held for {PrometheusDuration.Format(For)}";

        private DateTimeOffset? KeptSince(Alert alert)
        {
            if (rules.policy.KeepFiringFor == TimeSpan.Zero) return null;
            mustStore |= alert.KeepFiringSince is null;
            return alert.KeepFiringSince ?? now;
        }

        private void Keep(Alert alert)
        {
            var keep = rules.policy.KeepFiringFor;
            if (alert.KeepFiringSince is { } since && now - since < keep) alerts[alert.Labels] = alert;
            else Change(alert with { Status = AlertStatus.Resolved, ResolvedAt = now, KeepFiringSince = null }, AlertStatus.Firing,
                keep > TimeSpan.Zero ? $"the expression has not held for {PrometheusDuration.Format(keep)}" : "the expression ceased to hold");
        }

        private void Fire(Alert alert, AlertStatus from, string reason) => Change(alert with { Status = AlertStatus.Firing, FiredAt = now }, from, reason);

        private void Drop(Alert alert, string reason) =>
            transitions.Add(new Transition(alert.Status, alert with { Status = AlertStatus.Inactive }, now, reason, Cause));

        private void Change(Alert alert, AlertStatus from, string reason)
        {
            alerts[alert.Labels] = alert;
            transitions.Add(new Transition(from, alert, now, reason, Cause));
        }
    }
}
