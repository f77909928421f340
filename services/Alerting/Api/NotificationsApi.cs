using Grpc.Core;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;
using Vigil.Alerting.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting.Api;

/// <summary>vigil.alerting.v1.Notifications.</summary>
[RequireScope(Scope.Read)]
internal sealed class NotificationsApi(PageDispatcher dispatcher, DeliveryLog deliveries, IAuditLog audit, TimeProvider clock) : V1.Notifications.NotificationsBase
{
    private const int DefaultLimit = 100;
    private const int MaxLimit = 1_000;

    public override Task<V1.ListChannelsResponse> ListChannels(V1.ListChannelsRequest request, ServerCallContext context)
    {
        var response = new V1.ListChannelsResponse();
        foreach (var channel in dispatcher.Channels)
        {
            var proto = new V1.Channel { Name = channel.Name, Kind = channel.Kind, Target = channel.Target, Waiting = (uint)dispatcher.WaitingFor(channel.Name) };
            proto.Severities.Add(channel.Severities);
            response.Channels.Add(proto);
        }
        return Task.FromResult(response);
    }

    [RequireScope(Scope.Operate)]
    public override async Task<V1.TestChannelResponse> TestChannel(V1.TestChannelRequest request, ServerCallContext context)
    {
        var start = clock.GetTimestamp();
        var result = await dispatcher.TryOutAsync(request.Channel, TestPage(clock.GetUtcNow()), context.CancellationToken).ConfigureAwait(false)
            ?? throw Refusal.NotFound($"channel '{request.Channel}'").ToException();
        await audit.RecordAsync(context.GetHttpContext().GetActor(), "channel.test", request.Channel, new { result.Delivered, result.Detail }, context.CancellationToken).ConfigureAwait(false);
        return new V1.TestChannelResponse { Delivered = result.Delivered, Detail = result.Detail, Seconds = clock.GetElapsedTime(start).TotalSeconds };
    }

    public override async Task<V1.ListDeliveriesResponse> ListDeliveries(V1.ListDeliveriesRequest request, ServerCallContext context)
    {
        var response = new V1.ListDeliveriesResponse();
        var fingerprint = request.Fingerprint.Length == 0 ? null : request.Fingerprint;
        response.Deliveries.AddRange((await deliveries.ListAsync(Limit(request.Limit), fingerprint, false, context.CancellationToken).ConfigureAwait(false)).Select(d => d.ToProto()));
        return response;
    }

    public override async Task<V1.ListDeadLettersResponse> ListDeadLetters(V1.ListDeadLettersRequest request, ServerCallContext context)
    {
        var response = new V1.ListDeadLettersResponse();
        response.DeadLetters.AddRange((await deliveries.ListAsync(Limit(request.Limit), null, true, context.CancellationToken).ConfigureAwait(false)).Select(d => d.ToProto()));
        return response;
    }

    [RequireScope(Scope.Operate)]
    public override async Task<V1.RetryDeadLetterResponse> RetryDeadLetter(V1.RetryDeadLetterRequest request, ServerCallContext context)
    {
        var dead = await deliveries.FindDeadAsync(request.IdempotencyKey, request.Channel, context.CancellationToken).ConfigureAwait(false)
            ?? throw Refusal.NotFound($"dead letter '{request.IdempotencyKey}' of channel '{request.Channel}'").ToException();
        if (!dispatcher.Revive(request.Channel, dead.Page))
            throw new RefusalException(RefusalKind.FailedPrecondition, $"channel '{request.Channel}' is not configured any more, or has no room");
        await audit.RecordAsync(context.GetHttpContext().GetActor(), "page.retry", request.IdempotencyKey, new { request.Channel }, context.CancellationToken).ConfigureAwait(false);
        return new V1.RetryDeadLetterResponse();
    }

    private static int Limit(uint asked) => asked == 0 ? DefaultLimit : asked <= MaxLimit ? (int)asked : throw Refusal.Invalid("limit", $"is {asked}; at most {MaxLimit} are allowed").ToException();

    private static Page TestPage(DateTimeOffset now) => new()
    {
        IdempotencyKey = Guid.NewGuid().ToString("N"),
        Policy = "test",
        Alertname = "VigilTestPage",
        Fingerprint = AlertLabels.From([new("alertname", "VigilTestPage")]).Fingerprint,
        Firing = true,
        Labels = new Dictionary<string, string> { ["alertname"] = "VigilTestPage" },
        Annotations = new Dictionary<string, string> { ["summary"] = "This page tries out the channel. Nothing is wrong." },
        Value = "0",
        StartsAt = now,
        DecidedAt = now,
        Reason = "somebody asked for a test",
        Response = ResponsePlan.None,
        IsTest = true,
    };
}
