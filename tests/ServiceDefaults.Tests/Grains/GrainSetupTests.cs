using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Storage;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public interface ITallyGrain : IGrainWithStringKey
{
    [Alias("Add")]
    Task<int> Add(int by);

    [Alias("Remind")]
    Task<bool> Remind();

    [Alias("Clear")]
    Task Clear();

    [Alias("Forget")]
    Task Forget();
}

[GenerateSerializer]
[Alias("Vigil.ServiceDefaults.Tests.Tally")]
public sealed class Tally
{
    [Id(0)]
    public int Sum { get; set; }
}

public sealed class TallyGrain([PersistentState("tally", GrainSetup.StorageName)] IPersistentState<Tally> state) : Grain, ITallyGrain, IRemindable
{
    public async Task<int> Add(int by)
    {
        state.State.Sum += by;
        await state.WriteStateAsync();
        return state.State.Sum;
    }

    /// <summary>Registers the reminder; true when it was there already.</summary>
    public async Task<bool> Remind()
    {
        var known = await this.GetReminder("daily") is not null;
        await this.RegisterOrUpdateReminder("daily", TimeSpan.FromHours(1), TimeSpan.FromHours(24));
        return known;
    }

    public async Task Clear()
    {
        await state.ClearStateAsync();
        state.State = new Tally();
    }

    public async Task Forget()
    {
        if (await this.GetReminder("daily") is { } reminder) await this.UnregisterReminder(reminder);
    }

    public Task ReceiveReminder(string reminderName, TickStatus status) => Task.CompletedTask;
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

    [FactNeeds("postgres")]
    public async Task AddGrains_Reminder_SurvivesARestartUntilItIsForgotten()
    {
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:postgres"] = await PostgresServer.NewDatabaseAsync() };
        var known = new List<bool>();
        for (var run = 1; run <= 3; run++)
        {
            await using var service = await TestService.StartAsync(b => b.AddGrains(), settings: settings);
            var grain = service.App.Services.GetRequiredService<IGrainFactory>().GetGrain<ITallyGrain>("a");
            known.Add(await grain.Remind().DefaultTimeout());
            if (run == 2) await grain.Forget().DefaultTimeout();
            await service.App.StopAsync().DefaultTimeout();
        }

        Assert.Equal([false, true, false], known);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task AddGrains_StateClearedAndWrittenAgain_StartsAnew(string kind)
    {
        var settings = new Dictionary<string, string?>();
        if (kind == "postgres") settings["ConnectionStrings:postgres"] = await PostgresServer.NewDatabaseAsync();
        await using var service = await TestService.StartAsync(b => b.AddGrains(), settings: settings);
        var grain = service.App.Services.GetRequiredService<IGrainFactory>().GetGrain<ITallyGrain>("a");

        await grain.Add(5).DefaultTimeout();
        await grain.Add(5).DefaultTimeout();
        await grain.Clear().DefaultTimeout();

        Assert.Equal(1, await grain.Add(1).DefaultTimeout());
    }

    [FactNeeds("postgres")]
    public async Task AddGrains_TwoThatThinkTheyAreAlone_StaleWriteIsRefusedAndTheGrainReloads()
    {
        var settings = new Dictionary<string, string?> { ["ConnectionStrings:postgres"] = await PostgresServer.NewDatabaseAsync() };
        await using var one = await TestService.StartAsync(b => b.AddGrains(), settings: settings);
        await using var two = await TestService.StartAsync(b => b.AddGrains(), settings: settings);
        var first = one.App.Services.GetRequiredService<IGrainFactory>().GetGrain<ITallyGrain>("a");
        var second = two.App.Services.GetRequiredService<IGrainFactory>().GetGrain<ITallyGrain>("a");
        await first.Add(1).DefaultTimeout();
        await second.Add(10).DefaultTimeout();

        await Assert.ThrowsAsync<InconsistentStateException>(() => first.Add(100).DefaultTimeout());

        Assert.Equal(1011, await first.Add(1000).DefaultTimeout());
    }

    [Fact]
    public async Task AddGrains_ServiceId_IsTheServicesName()
    {
        await using var service = await TestService.StartAsync(b => b.AddGrains());

        Assert.Equal("vigil-probe", service.App.Services.GetRequiredService<IOptions<ClusterOptions>>().Value.ServiceId);
    }

    [Theory]
    [InlineData("Grains:Clustering", "Zookeeper", "Localhost, Postgres")]
    [InlineData("Grains:Address", "0.0.0.0", "that the other silos can reach")]
#if PACKAGESET_OFFICIAL
    [InlineData("Grains:Clustering", "Postgres", "ConnectionStrings:postgres is not set")]
#else
    [InlineData("Grains:Clustering", "Postgres", "PackageSet=official")]
#endif
    public async Task AddGrains_ClusterThatCannotBe_DoesNotStart(string key, string value, string why)
    {
        await using var service = TestService.Build(b => b.AddGrains(), settings: new() { [key] = value });

        Assert.Equal(1, await service.App.RunServiceAsync().DefaultTimeout());

        var line = Assert.Single(service.Logs.All, l => l.Event == "CannotStart").Text;
        Assert.Contains($"{key} is '{value}'", line);
        Assert.Contains(why, line);
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
