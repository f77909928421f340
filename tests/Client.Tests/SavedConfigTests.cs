using Vigil.Cli;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class SavedConfigTests
{
    [Theory]
    [InlineData("{\"metrics\": ", "is not valid JSON")]
    [InlineData("", "is not valid JSON")]
    [InlineData("[]", "is not valid JSON")]
    [InlineData("{\"metrics\": 5}", "is not valid JSON")]
    [InlineData("{\"metrics\": \"localhost\"}", "metrics is 'localhost', not an http:// or https:// address")]
    [InlineData("{\"alerting\": \"ftp://x\"}", "alerting is 'ftp://x', not an http:// or https:// address")]
    public void Load_DamagedFile_IsBadUsageInOneLineThatNamesIt(string content, string reason)
    {
        using var folder = new Folder();
        File.WriteAllText(folder.File, content);
        var failure = Assert.Throws<CliException>(() => SavedConfig.Load(folder.File));
        Assert.Equal(ExitCode.Usage, failure.ExitCode);
        Assert.StartsWith(folder.File, failure.Message, StringComparison.Ordinal);
        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Equal(content, File.ReadAllText(folder.File));
    }

    [Fact]
    public void Save_ThenLoad_IsTheSameAndOnlyTheOwnerReadsIt()
    {
        using var folder = new Folder();
        var config = new SavedConfig(new Uri("http://127.0.0.1:19090"), null, "secret");
        config.Save(folder.File);
        Assert.Equal(config, SavedConfig.Load(folder.File));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.File));
    }

    [Fact]
    public void Save_WhereAFolderIs_LeavesNothingOfTheTokenBehind()
    {
        using var folder = new Folder();
        Directory.CreateDirectory(folder.File);
        Assert.ThrowsAny<Exception>(() => new SavedConfig(Token: "secret").Save(folder.File));
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(folder.File)!));
    }

    private sealed class Folder : IDisposable
    {
        private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("vigil config-");

        public string File => Path.Combine(root.FullName, "vigil", "config.json");

        public Folder() => Directory.CreateDirectory(Path.GetDirectoryName(File)!);

        public void Dispose() => root.Delete(recursive: true);
    }
}
