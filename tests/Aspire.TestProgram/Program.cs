using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

// serve        answers HTTP on PORT: /health 200, /env all variables, /args the arguments, /die ends it with exit code 3
// crash CODE   prints two lines and ends with the code
// stubborn     serves, and ignores SIGTERM
// slow         serves on no port, and takes a second to stop after SIGTERM or SIGINT
// family       starts a "stubborn" of its own, and serves on no port itself
// host ...     an AppHost, see HostAsync below
return args switch
{
    ["serve", ..] => await ServeAsync(args, null),
    ["crash", var code] => Crash(int.Parse(code, CultureInfo.InvariantCulture)),
    ["slow"] => await SlowAsync(),
    ["stubborn"] => await StubbornAsync(args),
    ["family"] => await FamilyAsync(),
    ["host", .. var rest] => await HostAsync(rest),
    _ => 2,
};

static int Crash(int code)
{
    Console.WriteLine("about to fall");
    Console.Error.WriteLine("the reason is written on the error stream");
    return code;
}

static async Task<int> SlowAsync()
{
    var asked = new TaskCompletionSource();
    void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        asked.TrySetResult();
    }
    using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    Console.WriteLine("listening to signals");
    await asked.Task;
    await Task.Delay(TimeSpan.FromSeconds(1));
    return 0;
}

static async Task<int> StubbornAsync(string[] args)
{
    using var ignored = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
    {
        context.Cancel = true;
        Console.WriteLine("SIGTERM ignored");
    });
    return await ServeAsync(args, ignored);
}

static async Task<int> FamilyAsync()
{
    using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [typeof(Program).Assembly.Location, "stubborn"]) { UseShellExecute = false })!;
    Console.WriteLine($"child {child.Id}");
    await child.WaitForExitAsync();
    return 0;
}

static async Task<int> ServeAsync(string[] args, object? _)
{
    using var stop = new CancellationTokenSource();
    using var term = args[0] == "stubborn" ? null : PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
    {
        context.Cancel = true;
        Console.WriteLine("stopping as asked");
        stop.Cancel();
    });
    var port = int.Parse(Environment.GetEnvironmentVariable("PORT") ?? new Uri(Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? "http://127.0.0.1:0").Port.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    using var listener = new TcpListener(IPAddress.Loopback, port);
    listener.Start();
    Console.WriteLine($"listening {((IPEndPoint)listener.LocalEndpoint).Port} pid {Environment.ProcessId}");
    try
    {
        while (true)
        {
            using var client = await listener.AcceptTcpClientAsync(stop.Token);
            var reader = new StreamReader(client.GetStream());
            var path = (await reader.ReadLineAsync(stop.Token))?.Split(' ').ElementAtOrDefault(1);
            while (await reader.ReadLineAsync(stop.Token) is { Length: > 0 }) ;
            if (path == "/die") return 3;
            var body = path switch
            {
                "/env" => string.Join('\n', Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(e => $"{e.Key}={e.Value}")),
                "/args" => string.Join('\n', args),
                "/pid" => Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
                _ => "ok",
            };
            await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}"), stop.Token);
        }
    }
    catch (OperationCanceledException)
    {
        return 0;
    }
}

// host DIRECTORY KIND...: an AppHost in that folder with one resource for each kind; "serve:PORT" listens on a given port, "project:PATH" is built, "slow" waits
// for the one before it.
static async Task<int> HostAsync(string[] rest)
{
    var builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions { ProjectDirectory = rest[0] });
    IResourceBuilder<IResource>? before = null;
    foreach (var (kind, i) in rest.Skip(1).Select((k, i) => (k.Split(':'), i)))
    {
        if (kind[0] == "project")
        {
            builder.AddProject("built", kind[1]);
            continue;
        }
        var resource = builder.AddExecutable($"{kind[0]}-{i}", Environment.ProcessPath!, ".", typeof(Program).Assembly.Location, kind[0]);
        if (kind[0] == "serve") resource.WithHttpEndpoint(port: kind.Length > 1 ? int.Parse(kind[1], CultureInfo.InvariantCulture) : null, env: "PORT").WithHttpHealthCheck("/health");
        if (kind[0] == "crash") resource.WithArgs("7");
        if (kind[0] == "slow") resource.WaitFor(before!);
        before = resource;
    }
    await builder.Build().RunAsync();
    return Environment.ExitCode;
}
