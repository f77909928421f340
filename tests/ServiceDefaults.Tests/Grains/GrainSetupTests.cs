using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.Runtime;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public interface ITallyGrain : IGrainWithStringKey
{
    [Alias("Add")]
    Task<int> Add(int by);
}

[GenerateSerializer]
[Alias("Vigil.ServiceDefaults.Tests.Tally")]
public sealed class Tally
{
    [Id(0)]
    public int Sum { get; set; }
}

public sealed class TallyGrain([PersistentState("tally", GrainSetup.StorageName)] IPersistentState<Tally> state) : Grain, ITallyGrain
{
    public async Task<int> Add(int by)
    {
        state.State.Sum += by;
        await state.WriteStateAsync();
        return state.State.Sum;
    }
}

public sealed class GrainSetupTests
{
    public static TheoryData<string> Kinds => TestDatabase.Kinds;

    [Theory, MemberData(nameof(Kinds))]
    public async Task AddGrains_State_SurvivesARestart(string kind)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-grains-");
        try
        {
            var settings = new Dictionary<string, string?> { ["Storage:Directory"] = folder.FullName };
            if (kind == "postgres") settings["ConnectionStrings:postgres"] = await PostgresServer.NewDatabaseAsync();

            for (var run = 1; run <= 2; run++)
            {
                await using var service = await TestService.StartAsync(b => b.AddGrains(), settings: settings);
                var grain = service.App.Services.GetRequiredService<IGrainFactory>().GetGrain<ITallyGrain>("a");
                Assert.Equal(run * 5, await grain.Add(5).DefaultTimeout());
                await service.App.StopAsync().DefaultTimeout();
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task AddGrains_ServiceId_IsTheServicesName()
    {
        await using var service = await TestService.StartAsync(b => b.AddGrains());

        Assert.Equal("vigil-probe", service.App.Services.GetRequiredService<IOptions<ClusterOptions>>().Value.ServiceId);
    }

    [Fact]
    public async Task AddGrains_Sqlite_StateFileIsOwnerOnly()
    {
        await using var service = await TestService.StartAsync(b => b.AddGrains());

        var file = Path.Combine(service.Folder, "data", "probe.grains.db");
        Assert.True(File.Exists(file));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }
}
