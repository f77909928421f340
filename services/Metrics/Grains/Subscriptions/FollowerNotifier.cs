using Orleans;
using Orleans.Runtime;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Tells the followers of one service grain of what it has stored. Each is told one thing at a time: what comes meanwhile is told afterwards, at once. Runs in the
/// grain's turns, and nothing waits for it.
/// </summary>
/// <param name="source">Key of the grain.</param>
/// <param name="subscriptions">Standing queries, which are told that there is something.</param>
/// <param name="followers">Groups of them, which are told what.</param>
/// <param name="grains">Finds both.</param>
/// <param name="log">Hears of those that cannot be told.</param>
internal sealed class FollowerNotifier(string source, Subscriptions subscriptions, Followers followers, IGrainFactory grains, ILogger log)
{
    /// <summary>Tells all who follow a series that was noted since this was called last.</summary>
    /// <param name="receivedUnixUs">When its samples reached the service, microseconds since 1970.</param>
    public void TellStored(long receivedUnixUs)
    {
        foreach (var slot in followers.Touched) Tell(subscriptions[slot], receivedUnixUs);
        followers.Touched.Clear();
        foreach (var group in followers.WithNews)
        {
            group.Queued = false;
            _ = TellAsync(group);
        }
        followers.WithNews.Clear();
    }

    private void Tell(Subscription? subscription, long receivedUnixUs)
    {
        if (subscription is null) return;
        subscription.Pending = receivedUnixUs;
        if (!subscription.Telling) _ = TellAsync(subscription);
    }

    private async Task TellAsync(Subscription subscription)
    {
        subscription.Telling = true;
        try
        {
            var follower = grains.GetGrain<IStandingQueryGrain>(subscription.Key);
            while (subscription.Pending != 0)
            {
                var received = subscription.Pending;
                subscription.Pending = 0;
                await follower.InputsChangedAsync(received);
            }
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            MetricsLog.NotifyFailed(log, source, subscription.Key, e);
        }
        finally
        {
            subscription.Telling = false;
        }
    }

    private async Task TellAsync(Following following)
    {
        following.Telling = true;
        try
        {
            var group = grains.GetGrain<IStandingGroupGrain>(following.Group);
            while (following.HasNews)
            {
                if (!await group.TakeAsync(following.Take(source)))
                {
                    followers.End(following);
                    return;
                }
                following.Told();
            }
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            // It hears of that when it asks again, or with the next samples.
            following.Told();
            following.Lose();
            MetricsLog.NotifyFailed(log, source, $"group {following.Group}", e);
        }
        finally
        {
            following.Telling = false;
        }
    }
}
