using Vigil.Metrics.Storage;
using Xunit;

namespace Vigil.Metrics.Tests.Storage;

public sealed class MemoryKeeperTests
{
    [Theory]
    [InlineData(20, 0, false)]
    [InlineData(40, 0, true)]
    [InlineData(150, 100, false)]
    [InlineData(181, 100, false)]
    [InlineData(183, 100, true)]
    [InlineData(2_000, 511, true)]
    [InlineData(2_000, 513, false)]
    public void IsWorthwhile_MuchToBeHadAndLittleToBeMoved_Only(long committedMb, long survivedMb, bool worthwhile) =>
        Assert.Equal(worthwhile, MemoryKeeper.IsWorthwhile(committedMb << 20, survivedMb << 20));
}
