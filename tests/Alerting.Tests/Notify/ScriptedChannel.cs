using System.Collections.Concurrent;
using System.Threading.Channels;
using Vigil.Alerting.Notify;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Notify;

/// <summary>A channel that answers as told, and lets a test wait for each attempt.</summary>
internal sealed class ScriptedChannel(string name, params string[] severities) : IChannel
{
    private readonly Channel<Page> attempts = Channel.CreateUnbounded<Page>();

    public ConcurrentQueue<SendResult> Answers { get; } = new();

    /// <summary>Set to let attempts hang until it ends.</summary>
    public Task Hold { get; set; } = Task.CompletedTask;

    /// <summary>Fails in a way that channels must not.</summary>
    public bool Throws { get; set; }

    public string Name => name;

    public string Kind => "test";

    public string Target => "nowhere";

    public IReadOnlyCollection<string> Severities => severities;

    public async Task<SendResult> SendAsync(Page page, CancellationToken ct)
    {
        await attempts.Writer.WriteAsync(page, ct);
        if (Throws) throw new InvalidOperationException("a mistake");
        await Hold.WaitAsync(ct);
        return Answers.TryDequeue(out var answer) ? answer : SendResult.Ok;
    }

    public Task<Page> NextAttempt() => attempts.Reader.ReadAsync().DefaultTimeout();

    public bool HasMore => attempts.Reader.TryPeek(out _);
}

/// <summary>A delivery log in memory.</summary>
internal sealed class MemoryDeliveryLog : IDeliveryLog
{
    public ConcurrentDictionary<(string Key, string Channel), Delivery> Deliveries { get; } = new();

    public bool Fails { get; set; }

    public Task<bool> IsSettledAsync(string idempotencyKey, string channel, CancellationToken ct) =>
        Fails ? throw new IOException("the disk is full") : Task.FromResult(Deliveries.ContainsKey((idempotencyKey, channel)));

    public Task RecordAsync(Delivery delivery, CancellationToken ct)
    {
        if (Fails) throw new IOException("the disk is full");
        Deliveries[(delivery.Page.IdempotencyKey, delivery.Channel)] = delivery;
        return Task.CompletedTask;
    }
}

/// <summary>Hears what became of pages.</summary>
internal sealed class RecordingReports : IPageReports
{
    private readonly Channel<Page> settled = Channel.CreateUnbounded<Page>();
    private readonly Channel<Delivery> reported = Channel.CreateUnbounded<Delivery>();

    public void Reported(Delivery delivery) => reported.Writer.TryWrite(delivery);

    public Task SettledAsync(Page page)
    {
        settled.Writer.TryWrite(page);
        return Task.CompletedTask;
    }

    public Task<Page> NextSettled() => settled.Reader.ReadAsync().DefaultTimeout();

    public Task<Delivery> NextReport() => reported.Reader.ReadAsync().DefaultTimeout();
}
