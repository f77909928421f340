using System.Data.Common;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Grpc.Core;
using Vigil.Metrics.Scrape;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Probes;

/// <summary>A probe found that what it asked does not work; the message says what.</summary>
internal sealed class ProbeException(string message) : Exception(message);

/// <summary>Runs probes. Each is over a connection of its own, so that it meets what a new user would meet: DNS, TCP, TLS and the answer.</summary>
internal static class ProbeRunner
{
    /// <summary>Probes a target once, within its timeout.</summary>
    public static async Task<ProbeResult> RunAsync(ScrapeTarget target, ProbeSettings settings, TimeProvider clock)
    {
        using var timeout = new CancellationTokenSource(target.Timeout, clock);
        var found = new List<ProbeSample>();
        var start = clock.GetTimestamp();
        string? failure = null;
        try
        {
            await ProbeAsync(target, settings, found, clock, timeout.Token).ConfigureAwait(false);
        }
        catch (Exception) when (timeout.IsCancellationRequested)
        {
            // Drivers wrap a cancellation in errors of their own.
            failure = $"no answer within {PrometheusDuration.Format(target.Timeout)}";
        }
        catch (Exception e) when (e is ProbeException or HttpRequestException or SocketException or AuthenticationException or IOException or DbException
            or RpcException or UnauthorizedAccessException or InvalidDataException or OperationCanceledException or TimeoutException)
        {
            failure = PageFetcher.Plain(e);
        }
        return new ProbeResult(failure, clock.GetElapsedTime(start).TotalSeconds, found);
    }

    private static Task ProbeAsync(ScrapeTarget target, ProbeSettings settings, List<ProbeSample> found, TimeProvider clock, CancellationToken ct) => settings.Kind switch
    {
        ProbeKind.Http => HttpProbe.RunAsync(target, settings.Http, found, clock, ct),
        ProbeKind.Tcp => TcpAsync(target, settings, found, clock, ct),
        ProbeKind.Grpc => GrpcProbe.RunAsync(target, settings, found, clock, ct),
        ProbeKind.Postgres => DatabaseProbe.PostgresAsync(target, settings, ct),
        ProbeKind.Sqlite => DatabaseProbe.SqliteAsync(target, ct),
        _ => RedisProbe.RunAsync(target, settings, ct),
    };

    private static async Task TcpAsync(ScrapeTarget target, ProbeSettings settings, List<ProbeSample> found, TimeProvider clock, CancellationToken ct)
    {
        await using var stream = await ConnectAsync(target.Address, ct).ConfigureAwait(false);
        if (!settings.UseTls) return;
        var watch = new CertificateWatch(target.Job.Tls, clock);
        await using var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsClientAsync(watch.Options(HostOf(target.Address)), ct).ConfigureAwait(false);
        }
        finally
        {
            watch.Report(found);
        }
    }

    /// <summary>Connects to host:port.</summary>
    public static async Task<NetworkStream> ConnectAsync(string address, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(HostOf(address), int.Parse(address.AsSpan(address.LastIndexOf(':') + 1), System.Globalization.CultureInfo.InvariantCulture), ct).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The host of host:port, without the brackets of an IPv6 address.</summary>
    public static string HostOf(string address) => address[..address.LastIndexOf(':')].Trim('[', ']');
}
