using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Tests.Policies;

public sealed class AlertLabelsTests
{
    /// <summary>The empty set's is FNV-1a's offset basis.</summary>
    [Fact]
    public void Fingerprint_NoLabels_IsTheOffsetBasis() => Assert.Equal("cbf29ce484222325", AlertLabels.Empty.Fingerprint);

    [Fact]
    public void Fingerprint_OrderOfLabels_DoesNotMatter() =>
        Assert.Equal(AlertLabels.From([new("a", "1"), new("b", "2")]).Fingerprint, AlertLabels.From([new("b", "2"), new("a", "1")]).Fingerprint);

    [Fact]
    public void Fingerprint_NameAndValueShifted_Differs() =>
        Assert.NotEqual(AlertLabels.From([new("a", "bc")]).Fingerprint, AlertLabels.From([new("ab", "c")]).Fingerprint);

    [Fact]
    public void From_EmptyValue_IsNoLabel() => Assert.Equal(AlertLabels.Empty, AlertLabels.From([new("a", "")]));
}
