using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Testing;

namespace Vigil.ServiceDefaults.Tests;

/// <summary>A real service on free ports with its files in a folder of its own.</summary>
internal sealed class TestService : IAsyncDisposable
{
    private readonly DirectoryInfo folder;

    private TestService(WebApplication app, DirectoryInfo folder, LogLines logs)
    {
        App = app;
        this.folder = folder;
        Logs = logs;
    }

    public WebApplication App { get; }

    public LogLines Logs { get; }

    public string Folder => folder.FullName;

    public Uri Http => App.HttpAddress();

    public Uri Grpc => App.GrpcAddress();

    public static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    public static async Task<TestService> StartAsync(Action<WebApplicationBuilder>? add = null, Action<WebApplication>? map = null, Dictionary<string, string?>? settings = null)
    {
        var service = Build(add, map, settings);
        try
        {
            await service.App.StartAsync().DefaultTimeout();
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    public static TestService Build(Action<WebApplicationBuilder>? add = null, Action<WebApplication>? map = null, Dictionary<string, string?>? settings = null)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-defaults-");
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = "Production", ContentRootPath = folder.FullName });
        var logs = new LogLines();
        var configuration = new Dictionary<string, string?>
        {
            ["Storage:Directory"] = Path.Combine(folder.FullName, "data"),
            ["Listen:GrpcPort"] = "0",
            ["Listen:HttpPort"] = "0",
            ["Listen:ShutdownTimeout"] = "00:00:01",
            ["Logging:Console:LogLevel:Default"] = "None",
        };
        foreach (var scope in (string[])["ingest", "read", "operate", "admin"]) configuration[$"Auth:TokenHashes:{scope}:0"] = Hash(scope + "-token");
        foreach (var (key, value) in settings ?? []) configuration[key] = value;
        builder.Configuration.Sources.Clear();
        builder.Configuration.AddInMemoryCollection(configuration);
        builder.AddServiceDefaults(new ServiceIdentity("probe", 0, 0));
        builder.Logging.AddProvider(logs);
        add?.Invoke(builder);
        var app = builder.Build();
        app.MapServiceDefaults();
        map?.Invoke(app);
        return new TestService(app, folder, logs);
    }

    public HttpClient Client(string? token = null)
    {
        var client = new HttpClient { BaseAddress = Http };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", token);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync().DefaultTimeout();
        folder.Delete(recursive: true);
    }
}

/// <summary>What was logged.</summary>
internal sealed class LogLines : ILoggerProvider
{
    private readonly List<(LogLevel Level, string Event, string Text)> lines = [];

    public IReadOnlyList<(LogLevel Level, string Event, string Text)> All
    {
        get { lock (lines) return [.. lines]; }
    }

    public int Count(string eventName) => All.Count(l => l.Event == eventName);

    public ILogger CreateLogger(string categoryName) => new Logger(this);

    public void Dispose() { }

    private sealed class Logger(LogLines owner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (owner.lines) owner.lines.Add((logLevel, eventId.Name ?? "", formatter(state, exception) + (exception is null ? "" : " " + exception.Message)));
        }
    }
}
