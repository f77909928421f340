using Vigil.Alerting.Notify;

namespace Vigil.Alerting.Tests.Notify;

public sealed class DispatchMathTests
{
    private static readonly RetryOptions Options = new() { FirstDelay = TimeSpan.FromSeconds(1), LongestDelay = TimeSpan.FromSeconds(30), MaxAttempts = 10, MaxAge = TimeSpan.FromHours(1) };

    [Theory]
    [InlineData("the first delay", true, 1, 0, 0.5, null, 1d)]
    [InlineData("twice that after the second attempt", true, 2, 0, 0.5, null, 2d)]
    [InlineData("never more than the longest", true, 9, 0, 0.5, null, 30d)]
    [InlineData("half as long with the lowest dice", true, 1, 0, 0d, null, 0.5d)]
    [InlineData("half longer with the highest", true, 1, 0, 1d, null, 1.5d)]
    [InlineData("as long as the other side asked for", true, 1, 0, 0.5, 20d, 20d)]
    [InlineData("five minutes when the other side asks for a day", true, 1, 0, 0.5, 86_400d, 300d)]
    [InlineData("not shorter because the other side asked for less", true, 4, 0, 0.5, 1d, 8d)]
    [InlineData("none when trying again cannot help", false, 1, 0, 0.5, null, null)]
    [InlineData("none after the last attempt", true, 10, 0, 0.5, null, null)]
    [InlineData("none when it would be too old by then", true, 1, 3_599.5, 0.5, null, null)]
    public void NextDelay_Case_IsAsTold(string told, bool retryable, int attempts, double age, double random, double? retryAfter, double? expected)
    {
        var result = new SendResult(false, retryable, "r", "d", retryAfter is { } after ? TimeSpan.FromSeconds(after) : null);
        var delay = DispatchMath.NextDelay(result, attempts, TimeSpan.FromSeconds(age), Options, random);
        Assert.True(expected == delay?.TotalSeconds, $"the delay is {told}: {expected}, but was {delay?.TotalSeconds}");
    }
}
