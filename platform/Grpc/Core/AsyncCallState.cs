namespace Grpc.Core;

/// <summary>What the four call objects share: headers, status, trailers and disposal, as delegates with or without a state.</summary>
internal readonly struct AsyncCallState
{
    private readonly object headers;
    private readonly Delegate status;
    private readonly Delegate trailers;
    private readonly Delegate dispose;
    private readonly object? state;

    public AsyncCallState(Task<Metadata> headers, Func<Status> status, Func<Metadata> trailers, Action dispose)
    {
        this.headers = headers;
        this.status = status;
        this.trailers = trailers;
        this.dispose = dispose;
    }

    public AsyncCallState(Func<object, Task<Metadata>> headers, Func<object, Status> status, Func<object, Metadata> trailers, Action<object> dispose, object state)
    {
        this.headers = headers;
        this.status = status;
        this.trailers = trailers;
        this.dispose = dispose;
        this.state = state;
    }

    public Task<Metadata> ResponseHeadersAsync() => headers is Func<object, Task<Metadata>> f ? f(state!) : (Task<Metadata>)headers;

    public Status GetStatus() => status is Func<object, Status> f ? f(state!) : ((Func<Status>)status)();

    public Metadata GetTrailers() => trailers is Func<object, Metadata> f ? f(state!) : ((Func<Metadata>)trailers)();

    public void Dispose()
    {
        if (dispose is Action<object> f) f(state!);
        else ((Action)dispose)();
    }
}
