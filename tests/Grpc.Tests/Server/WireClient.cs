using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;

namespace Vigil.Grpc.Tests.Server;

/// <summary>A response as it came over the wire.</summary>
public sealed record WireResponse(HttpResponseMessage Http, IReadOnlyList<WireFrame> Frames)
{
    public HttpStatusCode HttpStatus => Http.StatusCode;

    /// <summary>Whether the status came in the headers, with no body.</summary>
    public bool TrailersOnly => Http.Headers.Contains("grpc-status");

    public int Status => int.Parse(Find("grpc-status") ?? throw new InvalidOperationException($"no grpc-status in HTTP {HttpStatus}"));

    public string? Message => Find("grpc-message") is { } text ? Uri.UnescapeDataString(text) : null;

    public IReadOnlyList<Note> Notes => [.. Frames.Select(f => Note.Parser.ParseFrom(f.Unpacked()))];

    public Note Note => Notes.Single();

    public string? Header(string name) => Http.Headers.TryGetValues(name, out var values) ? string.Join(",", values) : null;

    public string? Trailer(string name) => Http.TrailingHeaders.TryGetValues(name, out var values) ? string.Join(",", values) : null;

    /// <summary>A trailer, wherever trailers are.</summary>
    public string? Find(string name) => Trailer(name) ?? Header(name);
}

public sealed record WireFrame(byte Flag, byte[] Payload)
{
    public byte[] Unpacked() => Flag == 0 ? Payload : Wire.Gunzip(Payload);
}

public static class Wire
{
    public static byte[] Frame(IMessage message) => Frame(message.ToByteArray());

    public static byte[] Frame(byte[] payload, byte flag = 0)
    {
        var frame = new byte[5 + payload.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), payload.Length);
        payload.CopyTo(frame.AsSpan(5));
        return frame;
    }

    public static byte[] Gzip(byte[] bytes)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest)) gzip.Write(bytes);
        return output.ToArray();
    }

    public static byte[] Gunzip(byte[] bytes)
    {
        using var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
        using var output = new MemoryStream();
        gzip.CopyTo(output);
        return output.ToArray();
    }

    /// <summary>The next frame of a response body; null at its end.</summary>
    public static async Task<WireFrame?> ReadFrameAsync(Stream body)
    {
        var header = new byte[5];
        var read = await body.ReadAtLeastAsync(header, 5, throwOnEndOfStream: false);
        if (read == 0) return null;
        if (read < 5) throw new EndOfStreamException("half a frame header");
        var payload = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(1))];
        await body.ReadExactlyAsync(payload);
        return new WireFrame(header[0], payload);
    }
}

/// <summary>gRPC by hand over one HTTP/2 connection, so that every byte of it is the test's own.</summary>
public sealed class WireClient : IDisposable
{
    public const string Unary = "/vigil.probe.v1.Probe/Unary";
    public const string Collect = "/vigil.probe.v1.Probe/Collect";
    public const string Expand = "/vigil.probe.v1.Probe/Expand";
    public const string Chat = "/vigil.probe.v1.Probe/Chat";

    private readonly HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false });

    public WireClient(Uri address) => Address = address;

    public Uri Address { get; }

    public static HttpRequestMessage Request(Uri address, string path, HttpContent content, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        content.Headers.ContentType ??= new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    public Task<WireResponse> CallAsync(string path, IMessage message, params (string Name, string Value)[] headers) =>
        CallAsync(path, Wire.Frame(message), headers);

    public Task<WireResponse> CallAsync(string path, byte[] body, params (string Name, string Value)[] headers) =>
        SendAsync(Request(Address, path, new ByteArrayContent(body), headers));

    public async Task<WireResponse> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken = default)
    {
        var response = await http.SendAsync(request, cancellationToken);
        return await ReadAsync(response);
    }

    /// <summary>Starts a call whose request body the test goes on writing.</summary>
    public OpenCall Open(string path, params (string Name, string Value)[] headers) => new(http, Address, path, headers);

    public static async Task<WireResponse> ReadAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStreamAsync();
        var frames = new List<WireFrame>();
        if (response.StatusCode == HttpStatusCode.OK)
            while (await Wire.ReadFrameAsync(body) is { } frame) frames.Add(frame);
        else
            await body.CopyToAsync(Stream.Null);
        return new WireResponse(response, frames);
    }

    public void Dispose() => http.Dispose();
}

/// <summary>A call with an open request stream.</summary>
public sealed class OpenCall : IDisposable
{
    private readonly CancellationTokenSource cancellation = new();
    private readonly PushContent content = new();

    public OpenCall(HttpMessageInvoker http, Uri address, string path, (string Name, string Value)[] headers) =>
        Response = http.SendAsync(WireClient.Request(address, path, content, headers), cancellation.Token);

    /// <summary>The response, once its headers are here.</summary>
    public Task<HttpResponseMessage> Response { get; }

    public Task SendAsync(IMessage message) => SendAsync(Wire.Frame(message));

    public async Task SendAsync(byte[] bytes)
    {
        var stream = await content.Stream;
        await stream.WriteAsync(bytes);
        await stream.FlushAsync();
    }

    public void Complete() => content.Done.TrySetResult();

    /// <summary>Resets the stream, whether or not the response has begun.</summary>
    public async Task CancelAsync()
    {
        await cancellation.CancelAsync();
        try
        {
            (await Response).Dispose();
        }
        catch (OperationCanceledException)
        {
            // No response had begun: the token alone reset the stream.
        }
    }

    public async Task<WireResponse> ReadToEndAsync() => await WireClient.ReadAsync(await Response);

    public void Dispose()
    {
        cancellation.Cancel();
        content.Done.TrySetResult();
        cancellation.Dispose();
    }

    private sealed class PushContent : HttpContent
    {
        private readonly TaskCompletionSource<Stream> stream = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Stream> Stream => stream.Task;

        protected override Task SerializeToStreamAsync(Stream target, TransportContext? context) => SerializeToStreamAsync(target, context, CancellationToken.None);

        // The stream is reset only once this has ended: it must heed its token.
        protected override async Task SerializeToStreamAsync(Stream target, TransportContext? context, CancellationToken cancellationToken)
        {
            await target.FlushAsync(cancellationToken);
            stream.TrySetResult(target);
            await Done.Task.WaitAsync(cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
