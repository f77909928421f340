using Vigil.Alerting.Api;

namespace Vigil.Alerting.Tests.Api;

public sealed class AlertMatcherTests
{
    private static readonly Dictionary<string, string> Labels = new() { ["alertname"] = "ServiceDown", ["instance"] = "web-1" };

    [Theory]
    [InlineData("alertname=\"ServiceDown\"", true)]
    [InlineData("alertname=ServiceDown", true)]
    [InlineData("{alertname=\"ServiceDown\"}", true)]
    [InlineData("alertname = \"Other\"", false)]
    [InlineData("alertname!=\"Other\"", true)]
    [InlineData("instance=~\"web-.*\"", true)]
    [InlineData("instance=~\"web\"", false)]
    [InlineData("instance!~\"db-.*\"", true)]
    [InlineData("nosuch=\"\"", true)]
    [InlineData("nosuch!=\"\"", false)]
    public void Matches_Alert_AsAlertmanagerWould(string matcher, bool expected)
    {
        Assert.True(AlertMatcher.TryParse(matcher, out var parsed, out var reason), reason);
        Assert.Equal(expected, parsed.Matches(Labels));
    }

    [Theory]
    [InlineData("")]
    [InlineData("alertname")]
    [InlineData("9x=\"y\"")]
    [InlineData("a=~\"(\"")]
    [InlineData("a=~\"(?<=x)y\"")]
    public void TryParse_NoMatcher_IsRefusedWithReason(string matcher)
    {
        Assert.False(AlertMatcher.TryParse(matcher, out _, out var reason));
        Assert.NotEmpty(reason);
    }
}
