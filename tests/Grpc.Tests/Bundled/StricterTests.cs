using Microsoft.AspNetCore.Builder;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

/// <summary>Mistakes that the official server only logs.</summary>
public sealed class StricterTests
{
    [Fact]
    public async Task Map_NoGeneratedService_SaysSo()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => ProbeHost.StartAsync(map: app => app.MapGrpcService<ServiceTests.Journal>())).DefaultTimeout();
    }
}
