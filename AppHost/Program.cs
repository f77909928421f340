using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Vigil.AppHost;
using Vigil.AppHost.Demo;

// The map of the system: what there is, who needs whom, and what each is told. "--help" lists the options.
if (!CommandLine.TryParse(args, out var options, out var answer))
{
    Console.WriteLine(answer);
    return answer == CommandLine.Help ? 0 : 2;
}
try
{
    var builder = DistributedApplication.CreateBuilder(options.Configuration);
    var repository = Path.GetFullPath("..", builder.AppHostDirectory);
    var ports = new PortSettings(builder.Configuration);
    using var installation = Installation.Open(builder.Configuration, repository);
    var (data, policies, tokens) = (installation.Data, installation.Policies, installation.Tokens);

    var metrics = builder.AddProject("metrics", "../services/Metrics")
        .WithHttpEndpoint(port: ports.Of("metrics", "grpc", 4317), name: "grpc", env: "Listen__GrpcPort").AsHttp2Service()
        .WithHttpEndpoint(port: ports.Of("metrics", "http", 9090), name: "http", env: "Listen__HttpPort")
        .WithHttpHealthCheck("/ready", endpointName: "http")
        .WithLocalProfile(tokens, data);
    metrics.WithReference(metrics);
    // Relative to the repository, like the folders above, and not to where the service happens to run.
    foreach (var file in (string[])["ScrapeFile", "DependencyFile"])
    {
        if (builder.Configuration[$"Metrics:{file}"] is { Length: > 0 } path) metrics.WithEnvironment($"Metrics__{file}", Path.GetFullPath(path, repository));
    }

    var alerting = builder.AddProject("alerting", "../services/Alerting")
        .WithHttpEndpoint(port: ports.Of("alerting", "grpc", 6102), name: "grpc", env: "Listen__GrpcPort").AsHttp2Service()
        .WithHttpEndpoint(port: ports.Of("alerting", "http", 9093), name: "http", env: "Listen__HttpPort")
        .WithHttpHealthCheck("/ready", endpointName: "http")
        .WithLocalProfile(tokens, data)
        .WithEnvironment("Policies__Directory", policies)
        .WithReference(metrics).WaitFor(metrics);
    // The same files: Metrics has their recording rules. It asks Alerting for alerts when somebody asks it, and does without.
    metrics.WithEnvironment("Rules__Directory", policies).WithReference(alerting);

    // Without these two, each service keeps a SQLite file in data/.
    foreach (var database in (string[])["postgres", "redis"])
    {
        if (builder.Configuration.GetConnectionString(database) is null) continue;
        var connection = builder.AddConnectionString(database);
        metrics.WithReference(connection);
        alerting.WithReference(connection);
    }

    IResourceBuilder<ProjectResource>? agent = null;
    if (!options.NoAgent)
    {
        agent = builder.AddProject("agent", "../clients/Vigil.Cli")
            .WithArgs("agent", "--metrics", metrics.GetEndpoint("grpc"))
            .WithEnvironment("VIGIL_TOKEN", tokens["ingest"])
            .WaitFor(metrics);
    }

    if (options.Demo && agent is not null)
    {
        var pages = await PageReceiver.StartAsync();
        var shop = builder.AddProject("demo-shop", "../samples/DemoShop")
            .WithHttpEndpoint(port: ports.Of("demo-shop", "http", 5190))
            .WithHttpHealthCheck("/health");
        metrics.WithEnvironment("Rules__Include__0", "demo");
        alerting.WithEnvironment("Policies__Include__0", "demo")
            .WithEnvironment("Notify__Webhooks__9__Name", "apphost")
            .WithEnvironment("Notify__Webhooks__9__Url", pages.Url);
        agent.WithArgs("--probe-interval", "0.5", "--probe-timeout", "2", "--probe").WithArgs(context => context.Args.Add($"{shop.GetEndpoint("http").Url}/=demo-shop")).WaitFor(shop);
        builder.Services.AddSingleton(pages);
        builder.Services.AddHostedService(services => ActivatorUtilities.CreateInstance<DemoStory>(services,
            new DemoPlaces(metrics.GetEndpoint("grpc"), alerting.GetEndpoint("grpc"), shop.GetEndpoint("http"), tokens["read"]), DemoTimes.From(builder.Configuration)));
    }

    builder.Services.AddHostedService(services => ActivatorUtilities.CreateInstance<ReadySummary>(services,
        new SummaryFacts(metrics.Resource, alerting.Resource, tokens.Path, options)));
    await builder.Build().RunAsync();
    return Environment.ExitCode;
}
catch (DistributedApplicationException e)
{
    // A description that cannot stand; of what goes wrong later tells the run itself.
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
