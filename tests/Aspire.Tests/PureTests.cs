using System.Net;
using System.Net.Sockets;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Runtime;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Vigil.Testing;
using Xunit;

namespace Vigil.Aspire.Tests;

public sealed class RestartPolicyTests
{
    [Theory]
    [InlineData(0, 0.1, 1, 0.25, false)]
    [InlineData(1, 0.1, 2, 0.5, false)]
    [InlineData(2, 0.1, 3, 1, true)]
    [InlineData(6, 0.1, 7, 16, true)]
    [InlineData(7, 0.1, 8, 30, true)]
    [InlineData(5000, 0.1, 5001, 30, true)]
    [InlineData(9, 19.9, 10, 30, true)]
    [InlineData(9, 20, 1, 0.25, false)]
    public void Decide_AfterDeathsInARow_DoublesThePauseUntilItRanWell(int before, double ranSeconds, int after, double pauseSeconds, bool keepsDying) =>
        Assert.Equal(new RestartDecision(after, TimeSpan.FromSeconds(pauseSeconds), keepsDying), RestartPolicy.Default.Decide(before, TimeSpan.FromSeconds(ranSeconds)));
}

public sealed class StatusTableTests
{
    private static readonly StatusRow[] Rows =
    [
        new("metrics", "Running", StateKind.Good, "http://127.0.0.1:9090", 2, 12.34, 50 << 20),
        new("agent", "Waiting", StateKind.Busy, "", 0, null, null),
    ];

    [Fact]
    public void Render_TwoRows_AlignsColumns() => Assert.Equal(
        [
            "-------------------------------------------------------------------",
            "NAME     STATE    ENDPOINTS              RESTARTS    CPU  MEMORY",
            "metrics  Running  http://127.0.0.1:9090         2  12.3%   50 MB",
            "agent    Waiting                                0",
        ], StatusTable.Render(Rows, 200, colour: false).Select((l, i) => i == 0 ? new string('-', 67) : l));

    [Fact]
    public void Render_NarrowTerminal_CutsEveryLineToFit() => Assert.All(StatusTable.Render(Rows, 30, colour: false), line => Assert.InRange(line.Length, 1, 29));

    [Fact]
    public void Render_Colour_ColoursTheStateOnly() => Assert.Contains("metrics  \e[32mRunning\e[0m  http", StatusTable.Render(Rows, 200, colour: true)[2]);
}

public sealed class TerminalTests
{
    [Fact]
    public void Log_NotATerminal_PrintsPlainPrefixedLines()
    {
        var output = new StringWriter();
        var terminal = new Terminal(output, live: false, colour: false, () => 80);
        terminal.Names(["metrics", "a"]);
        terminal.Table(["never drawn"]);
        terminal.Log("a", "hello", true);
        Assert.Equal("a       | hello\n", output.ToString());
    }

    [Fact]
    public void Log_UnderATable_ErasesItAndDrawsItAgainBelow()
    {
        var output = new StringWriter();
        var terminal = new Terminal(output, live: true, colour: false, () => 80);
        terminal.Table(["row 1", "row 2"]);
        output.GetStringBuilder().Clear();
        terminal.Log("a", "hello", false);
        Assert.Equal("\e[2F\e[Ja       | hello\nrow 1\nrow 2\n", output.ToString());
    }

    [Fact]
    public void Names_Colour_GivesEachItsOwn()
    {
        var output = new StringWriter();
        var terminal = new Terminal(output, live: false, colour: true, () => 80);
        terminal.Names(["a", "b"]);
        terminal.Log("a", "x", false);
        terminal.Log("b", "x", true);
        Assert.Equal("\e[36ma      \e[0m \e[90m|\e[0m x\n\e[35mb      \e[0m \e[31m|\e[0m x\n", output.ToString());
    }
}

public sealed class RunTagTests
{
    [Fact]
    public void Parse_OfItsOwnText_IsTheSame() => Assert.Equal(new RunTag(12, 345, "/a:b/c"), RunTag.Parse(new RunTag(12, 345, "/a:b/c").ToString()));

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("x:1:/a")]
    public void Parse_Nonsense_IsNull(string text) => Assert.Null(RunTag.Parse(text));

    [Fact]
    public void IsAlive_SamePidAnotherStart_IsFalse()
    {
        var mine = RunTag.OfThisProcess("/a");
        Assert.True(mine.IsAlive);
        Assert.False((mine with { Start = mine.Start + 1 }).IsAlive);
    }
}

public sealed class PortsTests
{
    [Fact]
    public void Allocate_ThreeReplicas_GivesTheFirstThePortAskedForAndTheOthersFreeOnes()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        var resource = builder.AddResource(new ProjectResource("a")).WithReplicas(3).WithHttpEndpoint(port: 6001);
        Ports.Allocate(builder.Resources);
        var ports = resource.Resource.Annotations.OfType<EndpointAnnotation>().Single().Allocated.Select(a => a.Port).ToArray();
        Assert.Equal(6001, ports[0]);
        Assert.Equal(3, ports.Distinct().Count());
        Assert.Equal("http://127.0.0.1:6001", resource.GetEndpoint("http").Url);
    }

    [Fact]
    public void Allocate_TheSamePortTwice_NamesBoth()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        builder.AddTestProgram("a").WithHttpEndpoint(port: 6001);
        builder.AddTestProgram("b").WithHttpEndpoint(port: 6001, name: "web");
        Assert.Equal("a/http and b/web both ask for port 6001: give one of them another",
            Assert.Throws<DistributedApplicationException>(() => Ports.Allocate(builder.Resources)).Message);
    }

    [Fact]
    public void Taken_ByThisProcess_NamesPortResourceAndProcess()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var message = Ports.Taken("metrics", new AllocatedEndpoint(new EndpointAnnotation(ProtocolType.Tcp, "http", name: "grpc"), "127.0.0.1", port));
        Assert.False(Ports.IsFree(port));
        Assert.StartsWith($"port {port}, which metrics needs for its endpoint 'grpc', is taken by process {Environment.ProcessId} (", message, StringComparison.Ordinal);
    }
}

public sealed class ModelTests
{
    [Theory]
    [InlineData("1a")]
    [InlineData("a b")]
    [InlineData("a--b")]
    [InlineData("a-")]
    public void AddParameter_BadName_IsRefused(string name)
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        Assert.Throws<ArgumentException>(() => builder.AddParameter(name));
    }

    [Fact]
    public void AddResource_NameTwice_IsRefusedWhateverItsCase()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        builder.AddTestProgram("a");
        Assert.Throws<DistributedApplicationException>(() => builder.AddTestProgram("A"));
    }

    [Fact]
    public void AddProject_NoSuchFile_NamesThePath()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        Assert.Contains(Path.Combine(folder.Path, "nowhere"), Assert.Throws<DistributedApplicationException>(() => builder.AddProject("a", "nowhere")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Launch_OfAResourceWithEverything_HasItAll()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder, "--ConnectionStrings:db=Host=x", "--Parameters:key=s3cret", "--OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4000");
        var metrics = builder.AddResource(new ProjectResource("metrics")).WithReplicas(2).WithHttpEndpoint(port: 6002, name: "grpc", env: "Listen__GrpcPort").WithHttpEndpoint(port: 6003);
        var database = builder.AddConnectionString("db");
        var key = builder.AddParameter("key", secret: true);
        var user = builder.AddTestProgram("user", "serve").WithOtlpExporter().WithReference(metrics).WithReference(database).WithEnvironment("KEY", key)
            .WithEnvironment("URL", metrics.GetEndpoint("http")).WithEnvironment("LATE", () => "late").WithEnvironment("PLAIN", "plain")
            .WithArgs("--url", metrics.GetEndpoint("grpc"), key);
        Ports.Allocate(builder.Resources);

        var launch = await LaunchPlan.ResolveAsync(user.Resource, 0, "user", null, new RunTag(1, 2, "/d"), builder.ExecutionContext, CancellationToken.None).DefaultTimeout();
        Assert.Equal([TestProgram.Assembly, "serve", "--url", "http://127.0.0.1:6002", "s3cret"], launch.Arguments);
        var second = metrics.Resource.Annotations.OfType<EndpointAnnotation>().First().Allocated[1].UriString;
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("services__metrics__grpc__0", "http://127.0.0.1:6002"), ("services__metrics__grpc__1", second),
            ("services__metrics__http__0", "http://127.0.0.1:6003"), ("ConnectionStrings__db", "Host=x"), ("KEY", "s3cret"), ("URL", "http://127.0.0.1:6003"), ("LATE", "late"),
            ("PLAIN", "plain"), ("OTEL_SERVICE_NAME", "user"), ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=user"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4000"),
            ("ASPIRE_APPHOST_RUN", "1:2:/d")])
            Assert.Equal(value, launch.Environment[name]);
    }

    [Fact]
    public async Task Launch_OfAProjectReplica_HasItsOwnPortsAndInstance()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "p.csproj"), "<Project/>").DefaultTimeout();
        var project = builder.AddProject("p", ".").WithReplicas(2).WithHttpEndpoint(port: 6004, name: "grpc", env: "GRPC").WithHttpEndpoint(port: 6005);
        Ports.Allocate(builder.Resources);
        var launch = await LaunchPlan.ResolveAsync(project.Resource, 1, "p-2", "/p.dll", new RunTag(1, 2, "/d"), builder.ExecutionContext, CancellationToken.None).DefaultTimeout();
        Assert.NotEqual("6004", launch.Environment["GRPC"]);
        // The port told by a variable of its own is not among the URLs.
        Assert.Equal(project.Resource.Annotations.OfType<EndpointAnnotation>().Last().Allocated[1].UriString, launch.Environment["ASPNETCORE_URLS"]);
        Assert.Equal("service.instance.id=p-2", launch.Environment["OTEL_RESOURCE_ATTRIBUTES"]);
        Assert.Equal(["/p.dll"], launch.Arguments);
    }

    [Fact]
    public async Task Launch_WithoutANeededValue_NamesTheKey()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        var a = builder.AddTestProgram("a").WithReference(builder.AddConnectionString("db"));
        var b = builder.AddTestProgram("b").WithEnvironment("X", builder.AddParameter("key"));
        var c = builder.AddTestProgram("c").WithReference(builder.AddConnectionString("other"), optional: true);
        Assert.Contains("ConnectionStrings:db", (await Assert.ThrowsAsync<DistributedApplicationException>(() => Launch(a))).Message, StringComparison.Ordinal);
        Assert.Contains("Parameters:key", (await Assert.ThrowsAsync<MissingParameterValueException>(() => Launch(b))).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("ConnectionStrings__other", (await Launch(c)).Environment.Keys);

        Task<Launch> Launch(IResourceBuilder<ExecutableResource> resource) =>
            LaunchPlan.ResolveAsync(resource.Resource, 0, "x", null, new RunTag(1, 2, "/d"), builder.ExecutionContext, CancellationToken.None).DefaultTimeout();
    }

    [Fact]
    public async Task WaitForResourceHealthy_TwoReplicas_WaitsForBoth()
    {
        var notifications = new ResourceNotificationService();
        var resource = new ProjectResource("p");
        Publish("p-1", "Running", HealthStatus.Healthy);
        Publish("p-2", "Starting", null);
        var waiting = notifications.WaitForResourceHealthyAsync("p");
        Publish("p-2", "Running", HealthStatus.Unhealthy);
        Assert.False(waiting.IsCompleted);
        Publish("p-2", "Running", HealthStatus.Healthy);
        Assert.Equal("p-2", (await waiting.DefaultTimeout()).ResourceId);

        void Publish(string id, string state, HealthStatus? health) => notifications.Publish(new ResourceEvent(resource, id,
            new CustomResourceSnapshot { ResourceType = "Project", State = new ResourceStateSnapshot(state, null), HealthStatus = health }));
    }
}
