using System.Diagnostics.CodeAnalysis;
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

    public Task<TResponse> ReadOne(TRequest request) =>
        TryPack(request, out var content) ? ReadOne(content) : Task.FromException<TResponse>(http.ToException());

    public Task<TResponse> ReadOne(HttpContent content)
    {
        sent = http.SendDirectly(content);
        return ReadOneAsync();
    }

    public IAsyncStreamReader<TResponse> ReadStream(TRequest request) => TryPack(request, out var content) ? ReadStream(content) : this;

    /// <summary>Makes the request's body; false where the message cannot be sent, with which the call has ended.</summary>
    private bool TryPack(TRequest request, [NotNullWhen(true)] out HttpContent? content)
    {
        try
        {
            content = UnaryContent<TRequest>.Create(http, method.RequestMarshaller, request);
            return true;
        }
        catch (RpcException e)
        {
            http.Refuse(e);
            content = null;
            return false;
        }
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
                frames = Open(response, StreamBuffer);
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
        var doing = HttpCall.Starting;
        try
        {
            var response = http.Received(await sent!.ConfigureAwait(false));
            doing = "Error reading the response.";
            TResponse? message = null;
            if (StatusMapping.FromResponse(response) is { } status)
            {
                http.Complete(status.StatusCode == StatusCode.OK ? Missing : status);
            }
            else
            {
                frames = Open(response, UnaryBuffer);
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
            throw http.Fail(doing, e);
        }
        finally
        {
            Release();
        }
        throw http.ToException();
    }

    private static Status Missing => new(StatusCode.Internal, "Failed to deserialize response message: the server sent none.");

    private FrameReader Open(HttpResponseMessage response, int bufferSize)
    {
        // The body of a response whose headers were awaited is a stream already: nothing is read here.
        var body = response.Content.ReadAsStream(http.Token);
        return new FrameReader(response, body, http.Channel, bufferSize);
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
        // Before the call ends, with which its request may become another call's.
        response.Dispose();
        http.Complete(oneExpected && status.StatusCode == StatusCode.OK ? Missing : status);
    }

    private void Release()
    {
        frames?.Dispose();
        frames = null;
    }
}
