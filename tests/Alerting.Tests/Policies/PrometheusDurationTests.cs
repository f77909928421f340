using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Tests.Policies;

public sealed class PrometheusDurationTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("500ms", 0.5)]
    [InlineData("15s", 15)]
    [InlineData("5m", 300)]
    [InlineData("1h30m", 5_400)]
    [InlineData("1d", 86_400)]
    [InlineData("1w2d", 777_600)]
    [InlineData("1y", 31_536_000)]
    [InlineData("1m0s1ms", 60.001)]
    public void TryParse_DurationAsPrometheusWritesIt_IsThatLong(string text, double seconds)
    {
        Assert.True(PrometheusDuration.TryParse(text, out var duration, out _));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("m")]
    [InlineData("-5m")]
    [InlineData("1.5h")]
    [InlineData("5 m")]
    [InlineData("5min")]
    [InlineData("1s1m")]
    [InlineData("1m1m")]
    [InlineData("300y")]
    [InlineData("99999999999999999999s")]
    public void TryParse_AnythingElse_IsRefusedWithReason(string text)
    {
        Assert.False(PrometheusDuration.TryParse(text, out _, out var reason));
        Assert.NotEmpty(reason!);
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(90, "1m30s")]
    [InlineData(5_400, "1h30m")]
    [InlineData(86_400, "1d")]
    [InlineData(1_209_600, "2w")]
    [InlineData(0.25, "250ms")]
    public void Format_Duration_IsTheShortestWay(double seconds, string text) => Assert.Equal(text, PrometheusDuration.Format(TimeSpan.FromSeconds(seconds)));
}
