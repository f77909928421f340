using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The requests of a streaming call, as the handler reads them.</summary>
internal sealed class RequestStream<T>(ServerCall call, Func<DeserializationContext, T> deserializer) : IAsyncStreamReader<T> where T : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private bool completed;
    private T? current;

    public T Current => current ?? throw new InvalidOperationException("No current element is available.");

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled<bool>(cancellationToken);
        if (completed) return Task.FromException<bool>(new InvalidOperationException("Can't read messages after the request is complete."));
        current = null;
        try
        {
            if (call.Requests.TryTake(deserializer, out current)) return True;
            var read = call.Requests.ReadAsync(deserializer, cancellationToken);
            if (!read.IsCompletedSuccessfully) return AwaitAsync(read);
            return Took(read.GetAwaiter().GetResult()) ? True : False;
        }
        catch (RpcException refused)
        {
            return Task.FromException<bool>(refused);
        }
    }

    /// <summary>After the handler returned: nothing may be read any more, and what is held of the body is given back.</summary>
    public void Complete()
    {
        completed = true;
        call.Requests.Release();
    }

    private async Task<bool> AwaitAsync(ValueTask<T?> read) => Took(await read.ConfigureAwait(false));

    private bool Took(T? message)
    {
        current = message;
        return message is not null;
    }
}
