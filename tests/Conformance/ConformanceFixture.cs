namespace Vigil.Conformance;

/// <summary>One server and one process per driver for the whole suite.</summary>
public sealed class ConformanceFixture : IAsyncLifetime
{
    private readonly Dictionary<string, Driver> drivers = [];

    public ConformanceServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await ConformanceServer.StartAsync();

    public async Task<Driver> DriverAsync(string name)
    {
        if (!drivers.TryGetValue(name, out var driver)) drivers[name] = driver = await Driver.StartAsync(name);
        return driver;
    }

    public async Task DisposeAsync()
    {
        foreach (var driver in drivers.Values) await driver.DisposeAsync();
        await Server.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class ConformanceCollection : ICollectionFixture<ConformanceFixture>
{
    public const string Name = "conformance";
}
