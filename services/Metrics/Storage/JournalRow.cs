namespace Vigil.Metrics.Storage;

/// <summary>What a journal row holds.</summary>
internal enum JournalKind
{
    /// <summary>Series declarations.</summary>
    Declarations = 1,

    /// <summary>Samples.</summary>
    Samples = 2,

    /// <summary>Samples whose values are increases.</summary>
    Deltas = 3,
}

/// <summary>One change to one grain, as it is made durable before it is applied.</summary>
/// <param name="Grain">Key of the grain.</param>
/// <param name="No">Counts up by one within the grain. Two activations of one grain collide on it, and the stale one fails.</param>
/// <param name="Kind">How to read <paramref name="Data"/>.</param>
/// <param name="Stream">The push stream it came by, or empty.</param>
/// <param name="Sequence">The frame's number in that stream, or 0.</param>
/// <param name="Data">See <see cref="Series.JournalCodec"/>.</param>
internal sealed record JournalRow(string Grain, long No, JournalKind Kind, string Stream, ulong Sequence, byte[] Data);
