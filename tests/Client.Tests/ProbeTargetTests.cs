using Vigil.Cli.Agent;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class ProbeTargetTests
{
    [Theory]
    [InlineData("http://localhost:8080/health", "http://localhost:8080/health", "localhost")]
    [InlineData("http://localhost:8080/health=shop", "http://localhost:8080/health", "shop")]
    [InlineData("https://example.org/a?b=c", "https://example.org/a?b=c", "example.org")]
    [InlineData("https://example.org/a?b=c=shop", "https://example.org/a?b=c", "shop")]
    public void Parse_UrlWithOrWithoutJob_IsRead(string text, string url, string job) =>
        Assert.Equal(new ProbeTarget(new Uri(url), job), ProbeTarget.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("localhost:80")]
    [InlineData("ftp://x/=job")]
    public void Parse_NotHttp_IsNull(string text) => Assert.Null(ProbeTarget.Parse(text));
}
