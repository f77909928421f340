using System.Globalization;
using Vigil.Cli;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class PushTests
{
    private const int Million = 1_000_000;

    // What may wait for an acknowledgement, the lines between two flushes, and one frame.
    private const int MostUnacknowledged = (32 * 8192) + 10_000 + 8192;

    [Fact]
    public async Task Run_AMillionLinesToAServerThatIsSlow_HoldsOnlySoManyAndCountsThemAll()
    {
        var ingest = new FakeIngest { Behaviour = (_, sequence) => sequence == 1 ? Answer.AckAfterSignal : Answer.Ack };
        await using var server = await FakeIngestServer.StartAsync(ingest);
        using var client = Client(server);
        await using var push = Open(client);
        var most = 0L;
        using var text = new Generated(Million, () => Task.CompletedTask, () => most = Math.Max(most, push.Statistics.Unacknowledged));

        var running = push.RunAsync(new LineReader(text), null, false, CancellationToken.None);
        // Nothing is acknowledged, so it must come to rest; then all of it goes on.
        await Waiting.Until(() => Task.FromResult(push.Statistics.Unacknowledged > 32 * 8192), "as much waits as may");
        ingest.Signal.SetResult();

        Assert.Equal(PushEnd.Durable, await running.DefaultTimeout(TimeSpan.FromMinutes(2)));
        Assert.Equal(new PusherStatistics(Million, Million, 0, 0, 0, 0), push.Statistics);
        Assert.Equal(Million, ingest.Stored.Values.Sum(f => f.Length));
        Assert.InRange(most, 1, MostUnacknowledged);
    }

    [Fact]
    public async Task Run_ManyMoreSeriesThanOneStreamTakes_HoldsOnlySoManyAndCountsThemAll()
    {
        const int Lines = 200_000;
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server);
        await using var push = Open(client);
        var most = 0;
        using var text = new Generated(Lines, () => Task.CompletedTask, () => most = Math.Max(most, push.Series), series: Lines);

        Assert.Equal(PushEnd.Durable, await push.RunAsync(new LineReader(text), null, false, CancellationToken.None).DefaultTimeout(TimeSpan.FromMinutes(2)));

        Assert.Equal(new PusherStatistics(Lines, Lines, 0, 0, 0, 0), push.Statistics);
        Assert.Equal(Lines, server.Ingest.Stored.Values.Sum(f => f.Length));
        Assert.Equal(Lines, server.Ingest.Declared.Count);
        // Two whole streams, of what fits and the lines between two flushes, and the rest.
        Assert.Equal(3, server.Ingest.Stored.Keys.Select(k => k.Stream).Distinct().Count());
        Assert.InRange(most, 65_536, 65_536 + 10_000);
    }

    [Fact]
    public async Task Run_InputPauses_SendsWhatIsThereAndCtrlCTellsItIsStored()
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server);
        await using var push = Open(client);
        using var interrupt = new CancellationTokenSource();
        using var text = new Generated(25_000, () => new TaskCompletionSource().Task);

        var running = push.RunAsync(new LineReader(text), null, false, interrupt.Token);
        await Waiting.Until(() => Task.FromResult(push.Statistics.Accepted == 25_000), "all that was written is acknowledged");
        await interrupt.CancelAsync();

        Assert.Equal(PushEnd.Interrupted, await running.DefaultTimeout());
        Assert.Equal(new PusherStatistics(25_000, 25_000, 0, 0, 0, 0), push.Statistics);
    }

    [Fact]
    public async Task Run_InterruptedWhileTheServerAcknowledgesNothing_TellsHowManyAreOpen()
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.AckAfterSignal });
        using var client = Client(server);
        await using var push = Open(client);
        using var interrupt = new CancellationTokenSource();
        using var text = new Generated(100, () => Task.CompletedTask);

        var running = push.RunAsync(new LineReader(text), null, false, interrupt.Token);
        await Waiting.Until(() => Task.FromResult(!server.Ingest.Received.IsEmpty), "the frame is sent");
        await interrupt.CancelAsync();

        Assert.Equal(PushEnd.Interrupted, await running.DefaultTimeout());
        Assert.Equal(100, push.Statistics.Unacknowledged);
    }

    [Fact]
    public async Task Run_InputThatGoesOnForLongerThanTheTimeout_IsNotCutOff()
    {
        var clock = new FakeClock();
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server);
        await using var push = Open(client, clock);
        var end = new TaskCompletionSource();
        using var text = new Generated(10_000, () => end.Task);

        var running = push.RunAsync(new LineReader(text), null, false, CancellationToken.None);
        await Waiting.Until(() => Task.FromResult(push.Statistics.Accepted == 10_000), "all lines are sent");
        clock.Advance(TimeSpan.FromHours(1));
        Assert.False(running.IsCompleted);
        end.SetResult();

        Assert.Equal(PushEnd.Durable, await running.DefaultTimeout());
    }

    [Fact]
    public async Task Lines_OfEveryEnding_AreRead()
    {
        var lines = new LineReader(new StringReader("a\r\n\nb\n" + new string('c', 100_000) + "\nd"));
        var read = new List<string>();
        do
        {
            while (lines.TryNext() is { } line) read.Add(line);
        } while (await lines.FillAsync());
        Assert.Equal(["a", "", "b", new string('c', 100_000), "d"], read);
        Assert.Equal(5, lines.Number);
    }

    [Theory]
    [InlineData(LineReader.Longest, true)]
    [InlineData(LineReader.Longest + 1, false)]
    public async Task Lines_LongerThanTheLimit_AreRefused(int length, bool taken)
    {
        var lines = new LineReader(new StringReader("a\n" + new string('b', length) + "\n"));
        if (taken) Assert.Equal(length, await LongestAsync());
        else Assert.Equal("line 2 is longer than 1,048,576 characters", (await Assert.ThrowsAsync<CliException>(LongestAsync)).Message);

        async Task<int> LongestAsync()
        {
            var longest = 0;
            do
            {
                while (lines.TryNext() is { } line) longest = Math.Max(longest, line.Length);
            } while (await lines.FillAsync());
            return longest;
        }
    }

    private static VigilClient Client(FakeIngestServer server) => new(new VigilClientOptions { MetricsAddress = server.Address });

    private static Push Open(VigilClient client, TimeProvider? clock = null) =>
        new(client, new Dictionary<string, string> { ["job"] = "test" }, TimeSpan.FromSeconds(60), clock ?? TimeProvider.System);

    /// <summary>So many lines, and before the end what a test wants to wait for.</summary>
    private sealed class Generated(int count, Func<Task> end, Action? reading = null, int series = 10) : TextReader
    {
        private string rest = "";
        private int next;

        public override async ValueTask<int> ReadAsync(Memory<char> buffer, CancellationToken cancellationToken = default)
        {
            reading?.Invoke();
            if (rest.Length == 0 && next == count) await end();
            if (rest.Length == 0)
            {
                var text = new System.Text.StringBuilder();
                for (; next < count && text.Length < 10_000; next++) text.Append(CultureInfo.InvariantCulture, $"m{{s=\"{next % series}\"}} {next} {next}\n");
                rest = text.ToString();
            }
            var length = Math.Min(rest.Length, buffer.Length);
            rest.AsSpan(0, length).CopyTo(buffer.Span);
            rest = rest[length..];
            return length;
        }
    }
}
