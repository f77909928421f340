using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.ExceptionServices;
using Grpc.Core;
using Grpc.Core.Internal;

namespace Grpc.Net.Client.Internal;

/// <summary>The way to a response: the request's headers, credentials, waiting for a connection, further attempts.</summary>
internal sealed partial class HttpCall
{
    /// <summary>What failed where no response came.</summary>
    public const string Starting = "Error starting gRPC call.";

    private const double ReconnectGrowth = 1.6;   // gRPC: connection-backoff.md

    private RequestStream? requestStream;
    private RetryProgress? retry;

    /// <summary>
    /// Makes the request. The task is done when a response came that no further attempt will replace; it fails with what the caller
    /// is to see.
    /// </summary>
    public Task<HttpResponseMessage> Send(HttpContent content)
    {
        requestStream = content as RequestStream;
        if (target.Retry is not null) retry = new RetryProgress(target.Retry, channel.Random);
        Arm();
        return sent = SendAsync(content);
    }

    /// <summary>
    /// As <see cref="Send"/>, for a caller that awaits the response at once and passes it to <see cref="Received"/>. Where nothing is to
    /// be done but the request itself, its own task is the answer, with the failures of HTTP: one task less for every call.
    /// </summary>
    public Task<HttpResponseMessage> SendDirectly(HttpContent content)
    {
        if (content is RequestStream || !IsPlain || Activities.HasListeners()) return Send(content);
        Arm();
        try
        {
            // Past its deadline, or cancelled before it began: nothing is sent.
            return sent = HasEnded ? Task.FromCanceled<HttpResponseMessage>(new CancellationToken(true)) : channel.Invoke(WithOwnHeaders(parts.RequestFor(channel, target, content), 1), Cts.Token);
        }
        catch (Exception e)
        {
            // Handlers refuse some requests before they return a task; the caller of an asynchronous method finds the failure in its task.
            return sent = Task.FromException<HttpResponseMessage>(e);
        }
    }

    private bool IsPlain => target.Retry is null && !options.IsWaitForReady && options.Credentials is null && channel.CallCredentials.Count == 0;

    /// <summary>Ties the response to the call, so that whoever ends the call either sees it or is seen here.</summary>
    /// <exception cref="OperationCanceledException">The call has ended meanwhile.</exception>
    public HttpResponseMessage Received(HttpResponseMessage answer)
    {
        Interlocked.Exchange(ref response, answer);
        if (outcome is null) return answer;
        answer.Dispose();
        throw new OperationCanceledException();
    }

    /// <summary>What the request keeps of its messages has outgrown its limit.</summary>
    public void StopRetrying()
    {
        ClientLog.RetryBufferExceeded(channel.Logger, target.FullName);
        retry?.Stop();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpContent content)
    {
        try
        {
            activity = Activities.StartActivity("Grpc.Net.Client.GrpcOut", System.Diagnostics.ActivityKind.Client);
            activity?.SetTag("grpc.method", target.FullName);
            Cts.Token.ThrowIfCancellationRequested();
            var answer = IsPlain ? await channel.Invoke(CreateRequest(content, 1), Cts.Token).ConfigureAwait(false)
                : retry is null ? await SendOnceAsync(content, 1).ConfigureAwait(false)
                : await SendWithRetriesAsync(content, retry).ConfigureAwait(false);
            Received(answer);
            // Refused at once, the body may never be asked for: a writer would wait for that until somebody reads why, and callers write first.
            if (requestStream is not null && StatusMapping.FromResponse(answer) is { StatusCode: not StatusCode.OK } refused) Complete(refused);
            return answer;
        }
        catch (Exception e)
        {
            throw Fail(Starting, e);
        }
    }

    private async Task<HttpResponseMessage> SendWithRetriesAsync(HttpContent content, RetryProgress progress)
    {
        while (true)
        {
            HttpResponseMessage? answer = null;
            ExceptionDispatchInfo? error = null;
            Status failure;
            try
            {
                answer = await SendOnceAsync(content, progress.Attempt).ConfigureAwait(false);
                if (StatusMapping.FromResponse(answer) is not { StatusCode: not StatusCode.OK } status)
                {
                    (requestStream as ReplayedRequestStream)?.Commit();
                    return answer;
                }
                failure = status;
            }
            catch (Exception e) when (e is HttpRequestException or IOException && outcome is null)
            {
                failure = StatusMapping.FromException(Starting, e);
                error = ExceptionDispatchInfo.Capture(e);
            }
            if (progress.Next(failure.StatusCode, Pushback(answer), channel.RetryBudget) is not { } delay)
            {
                (requestStream as ReplayedRequestStream)?.Commit();
                error?.Throw();
                return answer!;
            }
            ClientLog.Retrying(channel.Logger, target.FullName, progress.Attempt - 1, failure.StatusCode, delay.TotalMilliseconds);
            answer?.Dispose();
            requestStream?.Abandon();
            await Task.Delay(delay, channel.Time, Cts.Token).ConfigureAwait(false);
        }
    }

    private static string? Pushback(HttpResponseMessage? answer) =>
        answer is not null && answer.Headers.NonValidated.TryGetValues(GrpcProtocol.RetryPushback, out var value) ? value.ToString() : null;

    private async Task<HttpResponseMessage> SendOnceAsync(HttpContent content, int attempt)
    {
        for (var wait = channel.InitialReconnectBackoff; ; wait = Shorter(wait * ReconnectGrowth, channel.MaxReconnectBackoff))
        {
            Cts.Token.ThrowIfCancellationRequested();
            var request = CreateRequest(content, attempt);
            await AddCredentialsAsync(request).ConfigureAwait(false);
            try
            {
                return await channel.Invoke(request, Cts.Token).ConfigureAwait(false);
            }
            catch (HttpRequestException e) when (options.IsWaitForReady && StatusMapping.IsUnreachable(e))
            {
                ClientLog.WaitingForConnection(channel.Logger, target.FullName, e.Message);
            }
            await Task.Delay(wait, channel.Time, Cts.Token).ConfigureAwait(false);
        }
    }

    private static TimeSpan Shorter(TimeSpan wait, TimeSpan? limit) => limit < wait ? limit.Value : wait;

    private HttpRequestMessage CreateRequest(HttpContent content, int attempt)
    {
        var request = CallParts.CreateRequest(channel, target);
        request.Content = content;
        return WithOwnHeaders(request, attempt);
    }

    private HttpRequestMessage WithOwnHeaders(HttpRequestMessage request, int attempt)
    {
        var headers = request.Headers;
        if (attempt > 1) headers.TryAddWithoutValidation(GrpcProtocol.PreviousAttempts, (attempt - 1).ToString(CultureInfo.InvariantCulture));
        if (options.Deadline is { } deadline && deadline != DateTime.MaxValue) headers.TryAddWithoutValidation(GrpcProtocol.Timeout, GrpcProtocol.EncodeTimeout(Left(deadline)));
        if (options.Headers is { Count: > 0 } metadata) AddMetadata(headers, metadata);
        return request;
    }

    private static void AddMetadata(HttpRequestHeaders headers, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            // The deadline is CallOptions' to say, and the encoding travels under its own name.
            if (entry.Key == GrpcProtocol.Timeout) continue;
            if (entry.Key == GrpcProtocol.InternalEncodingRequest) headers.TryAddWithoutValidation(GrpcProtocol.Encoding, entry.Value);
            else MetadataHeaders.Add(headers, entry);
        }
    }

    private async Task AddCredentialsAsync(HttpRequestMessage request)
    {
        if (options.Credentials is null && channel.CallCredentials.Count == 0) return;
        if (!channel.SendsCallCredentials)
        {
            ClientLog.CredentialsNotSent(channel.Logger, target.FullName);
            return;
        }
        tokenGivenAway = true;
        var context = new AuthInterceptorContext(ServiceUrl(), target.FullName[(target.FullName.LastIndexOf('/') + 1)..], Cts.Token);
        foreach (var interceptor in CallCredentialsReader.Read(options.Credentials, channel.CallCredentials))
        {
            var metadata = new Metadata();
            await interceptor(context, metadata).ConfigureAwait(false);
            foreach (var entry in metadata) MetadataHeaders.Add(request.Headers, entry);
        }
    }

    /// <summary>The audience of tokens: scheme, host without the default port, service.</summary>
    private string ServiceUrl() =>
        $"{target.Address.Scheme}://{(target.Address.IsDefaultPort ? target.Address.Host : target.Address.Authority)}{target.FullName[..target.FullName.LastIndexOf('/')]}";
}
