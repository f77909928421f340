using Vigil.Alerting.Watch;
using Xunit;

namespace Vigil.Alerting.Tests.Watch;

public sealed class PolicyFilesTests
{
    [Fact]
    public async Task Read_LinksThatLeadInACircle_DoNotHangAndTheFileIsNamed()
    {
        var folder = Directory.CreateTempSubdirectory("vigil policies-");
        try
        {
            var options = new PoliciesOptions { Directory = folder.FullName };
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "good.yaml"), "groups: []");
            Directory.CreateSymbolicLink(Path.Combine(folder.FullName, "again"), folder.FullName);
            Assert.Equal(["good.yaml"], PolicyFiles.List(options));
            Assert.Equal([("good.yaml", "groups: []")], await PolicyFiles.ReadAsync(options, CancellationToken.None));

            var before = PolicyFiles.Signature(options);
            File.CreateSymbolicLink(Path.Combine(folder.FullName, "self.yaml"), "self.yaml");
            Assert.NotEqual(before, PolicyFiles.Signature(options));
            Assert.Contains("self.yaml", (await Assert.ThrowsAnyAsync<IOException>(() => PolicyFiles.ReadAsync(options, CancellationToken.None))).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
