using System.Collections.Concurrent;

namespace Vigil.Conformance;

/// <summary>Counts the pings in what clients send through a <see cref="TcpProxy"/>: frames of type 6 that are no answers (RFC 9113, 6.7).</summary>
internal sealed class PingCounter(int wanted)
{
    private const int PrefaceLength = 24;
    private const byte Ping = 6;
    private const byte Ack = 1;

    private readonly ConcurrentDictionary<int, Position> positions = new();
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int pings;

    /// <summary>As many as wanted have passed.</summary>
    public Task Reached => reached.Task;

    public void Read(int connection, ReadOnlySpan<byte> bytes)
    {
        var position = positions.GetOrAdd(connection, _ => new Position());
        foreach (var value in bytes)
        {
            if (position.Skip > 0)
            {
                position.Skip--;
                continue;
            }
            position.Header[position.Filled++] = value;
            if (position.Filled < position.Header.Length) continue;
            position.Filled = 0;
            position.Skip = (position.Header[0] << 16) | (position.Header[1] << 8) | position.Header[2];
            if (position.Header[3] == Ping && (position.Header[4] & Ack) == 0 && Interlocked.Increment(ref pings) == wanted) reached.TrySetResult();
        }
    }

    private sealed class Position
    {
        public int Skip { get; set; } = PrefaceLength;

        public byte[] Header { get; } = new byte[9];

        public int Filled { get; set; }
    }
}
