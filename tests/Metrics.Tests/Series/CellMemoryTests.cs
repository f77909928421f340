using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class CellMemoryTests
{
    [Fact]
    public void Chains_ThatGrowAndShrinkAtRandom_KeepTheirBytes_AndCellsAreUsedAgain()
    {
        var random = new Random(1);
        var memory = new CellMemory();
        var chains = new CellChain[200];
        var model = chains.Select(_ => new List<byte>()).ToArray();
        for (var round = 0; round < 40_000; round++)
        {
            var i = random.Next(chains.Length);
            var data = new byte[random.Next(random.Next(2) == 0 ? 8 : 90)];
            random.NextBytes(data);
            switch (random.Next(12))
            {
                case 0:
                    chains[i].Clear(memory);
                    model[i].Clear();
                    break;
                case 1:
                    chains[i].Set(memory, data);
                    model[i] = [.. data];
                    break;
                case 2 when model[i].Count > 0:
                    Assert.Equal(model[i][^1], chains[i].LastByte(memory));
                    chains[i].SetLastByte(memory, (byte)round);
                    model[i][^1] = (byte)round;
                    break;
                case 3 when round % 50 == 0:
                    var before = memory.Renew();
                    foreach (ref var chain in chains.AsSpan()) chain.Move(before, memory);
                    break;
                default:
                    chains[i].Append(memory, data);
                    model[i].AddRange(data);
                    break;
            }
            var start = random.Next(model[i].Count + 1);
            var read = new byte[random.Next(model[i].Count - start + 1)];
            chains[i].CopyTo(memory, start, read);
            Assert.Equal(model[i].Skip(start).Take(read.Length), read);
        }
        Assert.Equal(model.Sum(m => (m.Count + CellMemory.Payload - 1) / CellMemory.Payload), memory.Used);
        foreach (ref var chain in chains.AsSpan()) chain.Clear(memory);
        Assert.Equal(0, memory.Used);
        Assert.True(memory.IsWorthRenewing);
        var bytes = memory.Bytes;
        for (var i = 0; i < chains.Length; i++) chains[i].Set(memory, [.. model[i]]);
        Assert.Equal(bytes, memory.Bytes);
    }

    [Fact]
    public void Compact_AfterABurst_GivesMemoryBack_AndSeriesKeepTheirSamples()
    {
        var table = new SeriesTable();
        var entries = Enumerable.Range(0, 1_000).Select(i => table.Add(LabelSet.Of("i", $"{i}"), SeriesKind.Gauge, "", "")).ToArray();
        for (var i = 0; i < 1_000; i++)
        {
            foreach (var entry in entries) entry.Append(i * 1_000L, Math.Sqrt(i + entry.Id));
        }
        var full = entries[0].Cells.Bytes;
        foreach (var entry in entries) entry.Samples.DropSealed(entry.Cells, entry.Samples.SealedBytes);
        table.Compact();
        Assert.InRange(entries[0].Cells.Bytes, 1, full / 3);
        foreach (var entry in entries)
        {
            for (var i = 1_000; i < 1_300; i++) Assert.Equal(AppendOutcome.Stored, entry.Append(i * 1_000L, Math.Sqrt(i + entry.Id)));
            var samples = new SampleBuffer();
            entry.Read(0, long.MaxValue, samples);
            // 8 blocks were dropped.
            Assert.Equal(Enumerable.Range(960, 340).Select(i => Math.Sqrt(i + entry.Id)), samples.Values.ToArray());
        }
    }

    [Fact]
    public void Remove_GivesTheSeriesCellsBack()
    {
        var table = new SeriesTable();
        var entry = table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "");
        for (var i = 0; i < 500; i++) entry.Append(i, Math.Sqrt(i));
        var cells = entry.Cells;
        Assert.NotEqual(0, cells.Used);
        table.Remove(entry);
        Assert.Equal(0, cells.Used);
    }
}
