using Microsoft.Extensions.Options;
using Orleans.Runtime;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Grains;

/// <summary>
/// Shell around <see cref="AlertRules"/>: loads, asks the rules with the present time, stores, and only then tells. What is to
/// be told is stored with the state that says so, in one write, and stays there until the dispatcher has it on record.
/// </summary>
internal sealed partial class PolicyGrain(
    [PersistentState("policy", "state")] IPersistentState<PolicyState> stored,
    IOptions<PoliciesOptions> options,
    IOptions<NotifyOptions> notify,
    PageDispatcher dispatcher,
    ExternalAddress address,
    TimeProvider clock,
    AlertingMetrics metrics,
    ILogger<PolicyGrain> log) : Grain, IPolicyGrain
{
    /// <summary>Pending alerts are stored this often, so that a restart knows how fresh they were (a fraction of <see cref="AlertRules.LongestGap"/>).</summary>
    private static readonly TimeSpan Checkpoint = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How often the outbox is gone through: pages that found no room are offered again, and settled ones leave the stored state
    /// (until then the delivery log knows about them).
    /// </summary>
    private static readonly TimeSpan TidyEvery = TimeSpan.FromSeconds(30);

    /// <summary>After a failed write.</summary>
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    private PolicyDefinition? policy;
    private AlertRules rules = null!;
    private AlertBook book = AlertBook.Empty;
    private DateTimeOffset storedAt;
    private IGrainTimer? tick;
    private DateTimeOffset tickDue = DateTimeOffset.MaxValue;
    private IGrainTimer? tidy;
    private bool hasSettled;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (stored.State.DefinitionJson.Length > 0) Use(PolicyDefinition.FromJson(stored.State.DefinitionJson));
        stored.State.Outbox = stored.State.Outbox.ConvertAll(p => p.Completed());
        book = stored.State.ToBook();
        storedAt = clock.GetUtcNow();
        OfferOutbox();
        return Task.CompletedTask;
    }

    public async Task<bool> Apply(string definitionJson)
    {
        if (stored.State.DefinitionJson == definitionJson && !stored.State.Retired) return false;
        var before = policy;
        var next = PolicyDefinition.FromJson(definitionJson);
        var restart = before is not null && before.Version != next.Version;
        var step = restart
            ? rules.End(book, clock.GetUtcNow(), "the policy was changed: its expression, clocks or labels are others now")
            : new Step(book, [], null, true);
        if (restart) LogRestarted(next.Key);
        await StoreAsync(step, before ?? next, state =>
        {
            state.DefinitionJson = definitionJson;
            state.Retired = false;
        });
        Use(next);
        return restart;
    }

    public async Task<bool> Retire(string reason)
    {
        if (policy is null) return true;
        if (!stored.State.Retired)
            await StoreAsync(rules.End(book, clock.GetUtcNow(), reason), policy, state => state.Retired = true);
        if (stored.State.Outbox.Count > 0)
        {
            OfferOutbox();
            return false;
        }
        await stored.ClearStateAsync();
        policy = null;
        book = AlertBook.Empty;
        DeactivateOnIdle();
        return true;
    }

    public async Task Observe(EvaluationMessage evaluation)
    {
        if (policy is null || stored.State.Retired) return;
        var now = clock.GetUtcNow();
        metrics.Evaluated(evaluation.Error is not null ? "error" : evaluation.InputSeries == 0 ? "no_data" : "ok");
        var step = rules.Observe(book, evaluation.ToDomain(), now);
        // Either way: the clock may have been set back since.
        var checkpoint = (now - storedAt).Duration() >= Checkpoint && book.Alerts.Values.Any(a => a.Status == AlertStatus.Pending);
        await TakeAsync(step with { MustStore = step.MustStore || checkpoint });
    }

    public Task Settle(string idempotencyKey)
    {
        if (stored.State.Outbox.RemoveAll(p => p.IdempotencyKey == idempotencyKey) > 0)
        {
            hasSettled = true;
            ArmTidy();
        }
        return Task.CompletedTask;
    }

    public Task<PolicySnapshot?> Read() => Task.FromResult(policy is null || stored.State.Retired ? null
        : new PolicySnapshot(stored.State.DefinitionJson, (int)book.Sight, book.SightReason, book.EvaluatedAt, [.. book.Alerts.Values.Select(a => a.ToMessage(policy, address.Url))]));

    private void Use(PolicyDefinition definition)
    {
        policy = definition;
        rules = new AlertRules(definition, options.Value.MaxAlertsPerPolicy, options.Value.HeartbeatOf(definition) * 3);
    }

    private async Task TakeAsync(Step step)
    {
        if (step.MustStore)
        {
            await StoreAsync(step, policy!, _ => { });
        }
        else
        {
            book = step.Book;
            Publish(step, policy!);
        }
        ArmTick();
    }

    /// <summary>Stores state and pages in one write. Nothing of it is true for anybody before that succeeded.</summary>
    private async Task StoreAsync(Step step, PolicyDefinition definition, Action<PolicyState> change)
    {
        var pages = step.Transitions.Select(t => Page.Of(definition, t, address.Url)).OfType<Page>().ToArray();
        var before = stored.State;
        List<StoredPage> outbox = [.. before.Outbox, .. pages.Select(StoredPage.Of)];
        var dropped = Outbox.Overflow([.. outbox.Select(p => p.ToEntry())], notify.Value.MaxUntoldPerPolicy);
        var after = before.With(step.Book, dropped.Count == 0 ? outbox : [.. outbox.Where(p => !dropped.Contains(p.IdempotencyKey))]);
        change(after);
        stored.State = after;
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            stored.State = before;
            throw;
        }
        book = step.Book;
        storedAt = clock.GetUtcNow();
        hasSettled = false;
        foreach (var page in outbox.Where(p => dropped.Contains(p.IdempotencyKey)))
            dispatcher.Withdraw(page.ToPage(), $"its policy had {outbox.Count} pages to tell; those of alerts that are over, or that newer ones say better, are kept no longer");
        if (pages.Length > 0) Offer(after.Outbox, pages);
        Publish(step, definition);
        foreach (var transition in step.Transitions)
        {
            metrics.Transition(transition.Alert.Status.ToString().ToLowerInvariant());
            LogTransition(definition.Alert, transition.Alert.Labels.ToString(), transition.From, transition.Alert.Status, transition.Reason);
        }
    }

    private void Publish(Step step, PolicyDefinition definition)
    {
        if (step.Transitions.Count == 0 && step.Sight is null) return;
        var changes = new List<FeedMessage>(step.Transitions.Count + 1);
        var json = definition.ToJson();
        if (step.Sight is { } sight)
        {
            changes.Add(new FeedMessage(definition.Key, sight.At, sight.Reason, 0, (int)sight.From, (int)sight.To, null, json, null));
            LogSight(definition.Key, sight.To, sight.Reason);
        }
        foreach (var t in step.Transitions)
            changes.Add(new FeedMessage(definition.Key, t.At, t.Reason, t.CauseReceivedUnixUs, (int)t.From, (int)t.Alert.Status, t.Alert.ToMessage(definition, address.Url), json, null));
        // Those who watch are not worth a page's time: nobody waits for the feed.
        _ = PublishAsync([.. changes]);
    }

    private async Task PublishAsync(FeedMessage[] changes)
    {
        try
        {
            await GrainFactory.GetGrain<IAlertFeedGrain>(IAlertFeedGrain.Key).Publish(changes);
        }
        catch (Exception e)
        {
            LogFeedFailed(e, changes.Length);
        }
    }

    private void OfferOutbox()
    {
        dispatcher.Offer(stored.State.Outbox.Where(p => !dispatcher.IsUnderWay(p.IdempotencyKey)).Select(p => p.ToPage()));
        if (stored.State.Outbox.Count > 0) ArmTidy();
    }

    /// <summary>Offers new pages, each after those of its alert that found no room yet.</summary>
    private void Offer(List<StoredPage> outbox, Page[] pages)
    {
        var alerts = pages.Select(p => p.Fingerprint).ToHashSet(StringComparer.Ordinal);
        var fresh = pages.ToDictionary(p => p.IdempotencyKey, StringComparer.Ordinal);
        dispatcher.Offer(outbox.Where(p => alerts.Contains(p.Fingerprint) && !dispatcher.IsUnderWay(p.IdempotencyKey))
            .Select(p => fresh.GetValueOrDefault(p.IdempotencyKey) ?? p.ToPage()));
        ArmTidy();
    }

    /// <summary>For the exact moment of a `for`; evaluations come when they like.</summary>
    private void ArmTick()
    {
        if (rules.NextTick(book) is not { } due || due >= tickDue) return;
        var now = clock.GetUtcNow();
        // A silence limit moves on with each heartbeat: a timer that comes too early finds nothing to do and arms itself again,
        // which is cheaper than moving it each time.
        tickDue = due;
        var wait = due > now ? due - now : TimeSpan.Zero;
        if (tick is null) tick = this.RegisterGrainTimer(TickAsync, new GrainTimerCreationOptions(wait, Timeout.InfiniteTimeSpan) { KeepAlive = true });
        else tick.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private async Task TickAsync(CancellationToken ct)
    {
        tickDue = DateTimeOffset.MaxValue;
        if (policy is null || stored.State.Retired) return;
        try
        {
            await TakeAsync(rules.Tick(book, clock.GetUtcNow()));
        }
        catch (Exception e) when (e is not Orleans.Storage.InconsistentStateException)
        {
            // Not stored, so not told: the next evaluation, or this in a second, finds the same again.
            LogStoreFailed(e, policy.Key);
            tickDue = clock.GetUtcNow() + TryAgain;
            tick!.Change(TryAgain, Timeout.InfiniteTimeSpan);
        }
    }

    private void ArmTidy() =>
        tidy ??= this.RegisterGrainTimer(TidyAsync, new GrainTimerCreationOptions(TidyEvery, Timeout.InfiniteTimeSpan) { KeepAlive = true });

    private async Task TidyAsync(CancellationToken ct)
    {
        tidy?.Dispose();
        tidy = null;
        OfferOutbox();
        if (!hasSettled) return;
        try
        {
            await stored.WriteStateAsync(ct);
            hasSettled = false;
        }
        catch (Exception e) when (e is not Orleans.Storage.InconsistentStateException)
        {
            LogStoreFailed(e, this.GetPrimaryKeyString());
            ArmTidy();
        }
    }

    [LoggerMessage(20, LogLevel.Information, "{Alert} {Labels}: {From} -> {To}: {Reason}")]
    private partial void LogTransition(string alert, string labels, AlertStatus from, AlertStatus to, string reason);

    [LoggerMessage(21, LogLevel.Information, "{Policy}: input is {Sight}: {Reason}")]
    private partial void LogSight(string policy, Sight sight, string reason);

    [LoggerMessage(22, LogLevel.Information, "{Policy} was changed: its state starts again")]
    private partial void LogRestarted(string policy);

    [LoggerMessage(23, LogLevel.Error, "{Policy} could not be stored; nothing was told, and it is tried again")]
    private partial void LogStoreFailed(Exception e, string policy);

    [LoggerMessage(24, LogLevel.Warning, "{Count} changes did not reach those who watch")]
    private partial void LogFeedFailed(Exception e, int count);
}
