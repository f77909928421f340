using Grpc.Core;
using Grpc.Core.Internal;

namespace Grpc.Net.Client.Internal;

/// <summary>One call with its message types: writes the request, reads the response, whichever of them is a stream.</summary>
internal sealed class GrpcCall<TRequest, TResponse>(HttpCall http, Method<TRequest, TResponse> method) : IAsyncStreamReader<TResponse>
    where TRequest : class
    where TResponse : class
{
    private const int UnaryBuffer = 1024;
    private const int StreamBuffer = 16 * 1024;

    private Task<HttpResponseMessage>? sent;
    private FrameReader? frames;
    private TResponse? current;
    private int reading;

    public HttpCall Http => http;

    public Task<TResponse> ReadOne(HttpContent content)
    {
        sent = http.Send(content);
        return ReadOneAsync();
    }

    public IAsyncStreamReader<TResponse> ReadStream(HttpContent content)
    {
        sent = http.Send(content);
        // A stream's failure is told to whoever reads; a call that nobody reads must not raise an unobserved exception.
        _ = sent.ContinueWith(static task => task.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return this;
    }

    public TResponse Current => current ?? throw new InvalidOperationException("No current element is available.");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref reading, 1) != 0) throw new InvalidOperationException("Can't read the next message because the previous read is in progress.");
        try
        {
            using var stop = cancellationToken.CanBeCanceled && cancellationToken != http.Options.CancellationToken
                ? cancellationToken.UnsafeRegister(static call => ((HttpCall)call!).CancelByCaller(), http)
                : default;
            return await MoveNextAsync().ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref reading, 0);
        }
    }

    private async Task<bool> MoveNextAsync()
    {
        current = null;
        if (http.HasEnded) return EndOfStream();
        try
        {
            var response = await sent!.ConfigureAwait(false);
            if (frames is null)
            {
                if (StatusMapping.FromResponse(response) is { } status)
                {
                    http.Complete(status);
                    return EndOfStream();
                }
                frames = await OpenAsync(response, StreamBuffer).ConfigureAwait(false);
            }
            if (await frames.ReadAsync(http.Token).ConfigureAwait(false))
            {
                current = Deserialize(frames);
                return true;
            }
            Complete(response);
        }
        catch (Exception e)
        {
            Release();
            throw http.Fail("Error reading next message.", e);
        }
        return EndOfStream();
    }

    private bool EndOfStream()
    {
        Release();
        return http.Status.StatusCode == StatusCode.OK ? false : throw http.ToException();
    }

    private async Task<TResponse> ReadOneAsync()
    {
        try
        {
            var response = await sent!.ConfigureAwait(false);
            TResponse? message = null;
            if (StatusMapping.FromResponse(response) is { } status)
            {
                http.Complete(status.StatusCode == StatusCode.OK ? Missing : status);
            }
            else
            {
                frames = await OpenAsync(response, UnaryBuffer).ConfigureAwait(false);
                while (await frames.ReadAsync(http.Token).ConfigureAwait(false))
                {
                    if (message is not null) throw new RpcException(new Status(StatusCode.Internal, "The server sent a second message where one was expected."));
                    message = Deserialize(frames);
                }
                Complete(response, oneExpected: message is null);
            }
            if (http.Status.StatusCode == StatusCode.OK) return message!;
        }
        catch (Exception e)
        {
            throw http.Fail("Error reading the response.", e);
        }
        finally
        {
            Release();
        }
        throw http.ToException();
    }

    private static Status Missing => new(StatusCode.Internal, "Failed to deserialize response message: the server sent none.");

    private async ValueTask<FrameReader> OpenAsync(HttpResponseMessage response, int bufferSize)
    {
        var compression = response.Headers.NonValidated.TryGetValues(GrpcProtocol.Encoding, out var name) ? http.Channel.CompressionFor(name.ToString()) : null;
        var body = await response.Content.ReadAsStreamAsync(http.Token).ConfigureAwait(false);
        return new FrameReader(body, http.Channel.MaxReceiveMessageSize, compression, bufferSize);
    }

    private TResponse Deserialize(FrameReader frame)
    {
        try
        {
            return FrameDeserializer.Read(frame.Payload, method.ResponseMarshaller.ContextualDeserializer);
        }
        catch (Exception e)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"Failed to deserialize response message. {e.Message}", e));
        }
    }

    private void Complete(HttpResponseMessage response, bool oneExpected = false)
    {
        var status = StatusMapping.FromHeaders(response.TrailingHeaders)
            ?? new Status(StatusCode.Cancelled, "No grpc-status found on response.");
        http.Complete(oneExpected && status.StatusCode == StatusCode.OK ? Missing : status);
        response.Dispose();
    }

    private void Release()
    {
        frames?.Dispose();
        frames = null;
    }
}
