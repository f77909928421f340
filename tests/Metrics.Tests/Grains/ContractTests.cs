using Vigil.Metrics.Grains;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Grains;

public sealed class ContractTests
{
    [Fact]
    public void GrainInterfacesAndMessages_AreWhatOrleansCanSend() => Assert.Empty(GrainContractCheck.Problems(typeof(IMonitoredServiceGrain).Assembly));
}
