using Vigil.Alerting.Grains;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Grains;

public sealed class GrainContractTests
{
    [Fact]
    public void GrainsOfAlerting_TravelToAnotherSilo() => Assert.Empty(GrainContractCheck.Problems(typeof(IPolicyGrain).Assembly));
}
