using System.Collections.Concurrent;
using System.Net;
using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.Grpc.Tests.Bundled.Client;

/// <summary>A handler in place of the network: a script says what each attempt of a call meets.</summary>
internal sealed class ScriptedServer : HttpMessageHandler
{
    public static readonly Method<byte[], byte[]> Unary = Make(MethodType.Unary);
    public static readonly Method<byte[], byte[]> ClientStream = Make(MethodType.ClientStreaming);
    public static readonly Method<byte[], byte[]> Duplex = Make(MethodType.DuplexStreaming);

    private readonly Func<int, HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> script;

    public ScriptedServer(Func<int, HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> script) => this.script = script;

    public ConcurrentQueue<HttpRequestMessage> Requests { get; } = [];

    private static Method<byte[], byte[]> Make(MethodType type)
    {
        var bytes = Marshallers.Create(static (byte[] b) => b, static b => b);
        return new(type, "test.Service", type.ToString(), bytes, bytes);
    }

    public static HttpResponseMessage Answer(params byte[] payload)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Version = HttpVersion.Version20, Content = new ByteArrayContent([0, 0, 0, 0, (byte)payload.Length, .. payload]) };
        response.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        response.TrailingHeaders.Add("grpc-status", "0");
        return response;
    }

    public static HttpResponseMessage Refusal(StatusCode code, params (string Name, string Value)[] headers)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Version = HttpVersion.Version20, Content = new ByteArrayContent([]) };
        response.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        response.Headers.Add("grpc-status", ((int)code).ToString(System.Globalization.CultureInfo.InvariantCulture));
        response.Headers.Add("grpc-message", "scripted");
        foreach (var (name, value) in headers) response.Headers.Add(name, value);
        return response;
    }

    public static async Task<HttpResponseMessage> Never(CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        throw new InvalidOperationException("unreachable");
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Requests.Enqueue(request);
        return script(Requests.Count, request, cancellationToken);
    }

    public GrpcChannel Channel(TimeProvider? clock = null, Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions { HttpHandler = this, TimeProvider = clock ?? TimeProvider.System };
        configure?.Invoke(options);
        return GrpcChannel.ForAddress("http://server:1234", options);
    }
}
