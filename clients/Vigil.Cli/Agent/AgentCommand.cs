using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Vigil.Client;

namespace Vigil.Cli.Agent;

/// <summary><c>vigil agent</c>: streams this host's metrics, and probes of URLs, until it is stopped.</summary>
internal static class AgentCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var probes = new Option<ProbeTarget[]>("--probe")
        {
            Description = "URL or URL=JOB to ask at every probe interval; may be given several times.",
            CustomParser = result => [.. result.Tokens.Select(t =>
            {
                var target = ProbeTarget.Parse(t.Value);
                if (target is null) result.AddError($"--probe: '{t.Value}' is not http://... or https://..., optionally followed by =JOB");
                return target!;
            })],
        };
        var job = new Option<string>("--job") { Description = "The label job of the host's series.", DefaultValueFactory = _ => "host" };
        var instance = new Option<string>("--instance") { Description = "The label instance of the host's series.", DefaultValueFactory = _ => Environment.MachineName };
        var interval = Seconds("--interval", "Seconds between readings of the host, 0.1 to 3,600.", 1);
        var probeInterval = Seconds("--probe-interval", "Seconds between probes of a URL, 0.1 to 3,600.", 1);
        var probeTimeout = Seconds("--probe-timeout", "Seconds after which a probe has failed, 0.1 to 3,600.", 5);
        var noHost = Flag.Create("--no-host", "Only probe: no metrics of this host.");
        var command = new Command("agent", "Stream this host's CPU, memory, disk, network and load, and probes of URLs.")
        {
            probes, job, instance, interval, probeInterval, probeTimeout, noHost,
        };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "ingest");
            using var client = to.Open();
            var log = new AgentLog(TimeProvider.System, to.Metrics);
            var pusher = client.OpenPusher(new MetricsPusherOptions
            {
                Labels = new Dictionary<string, string> { ["job"] = parsed.GetValue(job)!, ["instance"] = parsed.GetValue(instance)! },
                OnRefused = log.Refused,
                OnConnection = log.Connection,
            });
            await using var _ = pusher.ConfigureAwait(false);
            var agent = new HostAgent(pusher, TimeProvider.System, log);
            var running = new List<Task>();
            if (!parsed.GetValue(noHost)) running.Add(agent.CollectAsync(new HostFiles(), TimeSpan.FromSeconds(parsed.GetValue(interval)), cancellationToken));
            foreach (var target in parsed.GetValue(probes) ?? [])
                running.Add(agent.ProbeAsync(target, TimeSpan.FromSeconds(parsed.GetValue(probeInterval)), TimeSpan.FromSeconds(parsed.GetValue(probeTimeout)), cancellationToken));
            if (running.Count == 0) throw new CliException(ExitCode.Usage, "--no-host without --probe leaves nothing to do");
            log.Started(running.Count, pusher.StreamId);
            // One that ends has failed (a token without the scope, say): the agent says so and ends, rather than living on half.
            await (await Task.WhenAny(running).ConfigureAwait(false)).ConfigureAwait(false);
            return ExitCode.Done;
        }, interrupted: ExitCode.Done);
        return command;
    }

    private static Option<double> Seconds(string name, string description, double byDefault)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => byDefault };
        option.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<double>() is not (>= 0.1 and <= 3600)) r.AddError($"{name}: 0.1 to 3,600 seconds");
        });
        return option;
    }
}

/// <summary>The loops of the agent: each reads at its interval and flushes.</summary>
internal sealed class HostAgent(MetricsPusher pusher, TimeProvider time, AgentLog log)
{
    public async Task CollectAsync(IHostFiles files, TimeSpan interval, CancellationToken cancellationToken)
    {
        var collector = new HostCollector(pusher, files);
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            collector.Collect(time.GetUtcNow());
            await pusher.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
    }

    public async Task ProbeAsync(ProbeTarget target, TimeSpan interval, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var probe = new HttpProbe(target, timeout, time);
        var series = new ProbeSeries(pusher, target);
        bool? before = null;
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            var result = await probe.ProbeAsync(cancellationToken).ConfigureAwait(false);
            series.Record(result, time.GetUtcNow());
            if (result.Success != before) log.Probed(target, result);
            before = result.Success;
            await pusher.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
    }
}

/// <summary>The agent's few lines: what changed, once, with its time.</summary>
internal sealed class AgentLog(TimeProvider time, Uri metrics)
{
    private readonly Lock gate = new();
    private readonly HashSet<string> refused = [];
    private string? lastConnection;

    public void Started(int loops, string streamId) => Write($"agent started: {loops} sources, stream {streamId}");

    public void Connection(Exception? lost)
    {
        var text = lost switch
        {
            null => $"connected to {metrics}",
            RpcException rpc => $"not connected to {metrics}, trying again: {Failures.Explain(rpc)}",
            _ => $"not connected to {metrics}, trying again: {lost.Message}",
        };
        lock (gate)
        {
            if (text == lastConnection) return;
            lastConnection = text;
        }
        Write(text);
    }

    public void Refused(RefusedSamples refusal)
    {
        lock (gate)
        {
            if (refused.Count > 1000 || !refused.Add(refusal.Series + refusal.Reason)) return;
        }
        Write($"refused: {refusal.Series}: {refusal.Detail}");
    }

    public void Probed(ProbeTarget target, ProbeResult result) => Write(result.Success
        ? string.Create(CultureInfo.InvariantCulture, $"probe {target.Url}: up, status {result.StatusCode}, {result.Seconds * 1000:0} ms")
        : $"probe {target.Url}: DOWN: {result.Failure}");

    private void Write(string text)
    {
        lock (gate) Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{time.GetUtcNow():HH:mm:ss.fff}Z {text}"));
    }
}
