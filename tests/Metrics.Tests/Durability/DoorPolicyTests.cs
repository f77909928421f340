using Vigil.Metrics.Series;
using Vigil.Metrics.Tests.Api;
using Xunit;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>One policy at every door: what is late, what is said twice, what is too much.</summary>
public sealed class DoorPolicyTests
{
    private const string Refused = "vigil_metrics_samples_refused_total";

    [Fact]
    public async Task LateSample_AmongTheNewest40OfItsSeries_FindsItsPlaceAtEveryDoor()
    {
        await using var bench = await DoorBench.StartAsync();
        foreach (var door in bench.Doors)
        {
            var end = await FillAsync(bench, door);
            // Between two of the newest 40, and right behind the newest.
            await TakenAsync(door, new DoorSample(end - 38_500, 1_000), new DoorSample(end + 1, 2_000));
            Assert.Equal(402, await bench.ValueAsync($"count_over_time({door.Name}[20m])"));
            Assert.Equal(1_000, await AtAsync(bench, door, end - 38_500));
            Assert.Equal(361, await AtAsync(bench, door, end - 38_501));
        }
    }

    [Fact]
    public async Task SampleTooLateForItsSeries_IsRefusedAndCountedAtEveryDoor_AndTheRestIsStored()
    {
        await using var bench = await DoorBench.StartAsync();
        foreach (var door in bench.Doors)
        {
            var end = await FillAsync(bench, door);
            await RefusedAsync(bench, door, "too_old", "older than the samples of this series that still take late ones", new DoorSample(end - 399_500, 1_000), new DoorSample(end + 1, 2_000));
            Assert.Equal(401, await bench.ValueAsync($"count_over_time({door.Name}[20m])"));
            Assert.Equal(2_000, await bench.ValueAsync(door.Name));
        }
    }

    [Fact]
    public async Task SampleOlderThanTheRetention_IsRefusedAtEveryDoor_AndTheOldestAllowedIsTaken()
    {
        await using var bench = await DoorBench.StartAsync(("Metrics:Retention", "02:00:00"));
        foreach (var door in bench.Doors)
        {
            await TakenAsync(door, new DoorSample(door.NextNow(bench.Clock) - 7_200_000, 1));
            await RefusedAsync(bench, door, "too_old", "Metrics:Retention", new DoorSample(door.NextNow(bench.Clock) - 7_200_001, 1) { Labels = [("n", "other")] });
        }
    }

    [Fact]
    public async Task SampleAhead_AsFarAsAllowedIsTakenAtEveryDoor_AndAMillisecondFurtherIsRefused()
    {
        await using var bench = await DoorBench.StartAsync(("Metrics:MaxAhead", "00:05:00"));
        foreach (var door in bench.Doors)
        {
            var first = door.NextNow(bench.Clock) + 300_000;
            await TakenAsync(door, new DoorSample(first, 1));
            await RefusedAsync(bench, door, "too_far_ahead", "Metrics:MaxAhead", new DoorSample(door.NextNow(bench.Clock) + 300_001, 2));
            // The series goes on.
            await TakenAsync(door, new DoorSample(first - 1, 3));
        }
    }

    [Fact]
    public async Task SameSampleAgain_IsTakenAndStoredOnceAtEveryDoor()
    {
        await using var bench = await DoorBench.StartAsync();
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 60_000;
            await TakenAsync(door, new DoorSample(time, 7), new DoorSample(time + 1, 8));
            var before = await bench.CounterAsync("vigil_metrics_samples_duplicate_total");
            await TakenAsync(door, new DoorSample(time, 7), new DoorSample(time + 1, 8));
            Assert.Equal(before + 2, await bench.CounterAsync("vigil_metrics_samples_duplicate_total"));
            Assert.Equal(2, await bench.ValueAsync($"count_over_time({door.Name}[5m])"));
        }
    }

    [Fact]
    public async Task AnotherValueForAMoment_IsRefusedAndCountedAtEveryDoor_TheFirstStays_AndTheRestIsStored()
    {
        await using var bench = await DoorBench.StartAsync();
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 60_000;
            await TakenAsync(door, new DoorSample(time, 7));
            await RefusedAsync(bench, door, "conflicting_duplicate", "another value is stored for this series and millisecond", new DoorSample(time, 8), new DoorSample(time + 1, 9));
            Assert.Equal(7, await AtAsync(bench, door, time));
            Assert.Equal(9, await bench.ValueAsync(door.Name));
        }
    }

    [Fact]
    public async Task SeriesBeyondWhatAServiceMayHave_IsRefusedAndCountedAtEveryDoor_AndOldOnesGoOn()
    {
        const int Most = 8;
        await using var bench = await DoorBench.StartAsync(("Metrics:MaxSeriesPerShard", $"{Most}"));
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 60_000;
            DoorSample[] all = [.. Enumerable.Range(0, Most - door.OwnSeries).Select(i => new DoorSample(time, 1) { Labels = [("n", $"{i}")] })];
            await TakenAsync(door, all);
            await RefusedAsync(bench, door, "series_limit", $"has {Most} series, which is as many as may be (Metrics:MaxSeriesPerShard)",
                [.. all.Select(s => s with { TimeMs = time + 1 }), new DoorSample(time + 1, 1) { Labels = [("n", "one too many")] }]);
            await TakenAsync(door, [.. all.Select(s => s with { TimeMs = time + 2 })]);
            Assert.Equal(all.Length, await bench.CountAsync($"count_over_time({door.Name}[5m]) == 3"));
            Assert.Equal(0, await bench.CountAsync($"{door.Name}{{n=\"one too many\"}}"));
        }
    }

    [Fact]
    public async Task ServiceBeyondThoseThatMayBe_IsRefusedAndCountedAtEveryDoor_AndOldOnesGoOn()
    {
        await using var bench = await DoorBench.StartAsync(("Metrics:MaxServices", "6"));
        Assert.Equal(6, bench.Doors.Count);
        foreach (var door in bench.Doors) await TakenAsync(door, new DoorSample(door.NextNow(bench.Clock) - 60_000, 1));
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 30_000;
            await RefusedAsync(bench, door, "series_limit", "6 services are known, which is as many as may be (Metrics:MaxServices)", new DoorSample(time, 1) { Job = "one too many" }, new DoorSample(time, 2));
            Assert.Equal(2, await bench.ValueAsync($"count_over_time({door.Name}[5m])"));
        }
        Assert.Equal(0, await bench.CountAsync("{job=\"one too many\"}"));
    }

    [Fact]
    public async Task LabelsBeyondTheRules_AreRefusedAndCountedAtEveryDoor_AndThoseUpToThemAreTaken()
    {
        var rules = new SeriesRules();
        await using var bench = await DoorBench.StartAsync();
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 60_000;
            DoorSample Labelled(int labels) => new(time, 1) { Labels = [.. Enumerable.Range(0, labels).Select(i => ($"l{i}", "x"))] };
            DoorSample Valued(int bytes) => new(time, 1) { Labels = [("n", new string('x', bytes))] };
            DoorSample Named(int length) => new(time, 1) { Labels = [(new string('n', length), "x")] };
            DoorSample Metric(int length) => new(time, 1) { Metric = new string('m', length) };
            var good = new DoorSample(time, 1);
            await TakenAsync(door, Labelled(rules.MaxLabels - door.OwnLabels), Valued(rules.MaxValueBytes), Named(rules.MaxNameLength), Metric(rules.MaxNameLength), good);
            good = good with { TimeMs = time + 1 };
            await RefusedAsync(bench, door, "too_many_labels", $"has {rules.MaxLabels + 1} labels; at most {rules.MaxLabels} are allowed", Labelled(rules.MaxLabels - door.OwnLabels + 1), good);
            good = good with { TimeMs = time + 2 };
            await RefusedAsync(bench, door, "bad_label", $"is {rules.MaxValueBytes + 1} bytes long; at most {rules.MaxValueBytes} are allowed", Valued(rules.MaxValueBytes + 1), good);
            good = good with { TimeMs = time + 3 };
            await RefusedAsync(bench, door, "bad_label", $"is {rules.MaxNameLength + 1} characters long; at most {rules.MaxNameLength} are allowed", Named(rules.MaxNameLength + 1), good);
            good = good with { TimeMs = time + 4 };
            await RefusedAsync(bench, door, "bad_name", $"is {rules.MaxNameLength + 1} characters long; at most {rules.MaxNameLength} are allowed", Metric(rules.MaxNameLength + 1), good);
            Assert.Equal(5, await bench.ValueAsync($"count_over_time({door.Name}{{n=\"0\"}}[5m])"));
        }
    }

    [Fact]
    public async Task NamesOfAnyUtf8_AreTakenAtEveryDoor_AskedForInQuotes_AndInPaths()
    {
        await using var bench = await DoorBench.StartAsync(("Metrics:OtlpTranslation", "NoTranslation"));
        using var client = new PrometheusClient(bench.Host);
        foreach (var door in bench.Doors)
        {
            var time = door.NextNow(bench.Clock) - 1_000;
            await TakenAsync(door, new DoorSample(time, 7) { Metric = "http.größe", Labels = [("http.route", "/a \"b\""), ("9", "x")] });
            Assert.Equal(7, await bench.ValueAsync($"{{\"http.größe\", \"http.route\"=~\"/a.*\", \"9\"=\"x\", job=\"{door.Name}\"}}"));
            Assert.Equal(1, await bench.ValueAsync($"count by (\"http.route\") ({{__name__=\"http.größe\", job=\"{door.Name}\"}})"));
        }
        string[] Values(System.Text.Json.JsonElement answer) => [.. answer.GetProperty("data").EnumerateArray().Select(v => v.GetString()!)];
        Assert.Equal(["/a \"b\""], Values(await client.GetAsync("label/U__http_2e_route/values")));
        Assert.Equal(["/a \"b\""], Values(await client.GetAsync($"label/http.route/values?match[]={Uri.EscapeDataString("{\"http.größe\"}")}")));
        Assert.Contains("http.route", Values(await client.GetAsync("labels")));
        Assert.Contains("http.größe", Values(await client.GetAsync("label/__name__/values")));
        using var escaped = await client.SendAsync(HttpMethod.Get, $"/federate?match[]={Uri.EscapeDataString("{\"http.größe\",job=\"push\"}")}");
        Assert.StartsWith("# TYPE http_gr__e untyped\nhttp_gr__e{_=\"x\",http_route=\"/a \\\"b\\\"\",job=\"push\"} 7 ", await escaped.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var quoted = await client.SendAsync(HttpMethod.Get, $"/federate?match[]={Uri.EscapeDataString("{\"http.größe\",job=\"push\"}")}", ("Accept", "text/plain;version=1.0.0;escaping=allow-utf-8"));
        Assert.StartsWith("# TYPE \"http.größe\" untyped\n{\"http.größe\",\"9\"=\"x\",\"http.route\"=\"/a \\\"b\\\"\",job=\"push\"} 7 ", await quoted.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    /// <summary>400 samples a second apart: more than those of a series that take late ones. Returns the time of the newest.</summary>
    private static async Task<long> FillAsync(DoorBench bench, Door door)
    {
        var end = door.NextNow(bench.Clock) - 10_000;
        await TakenAsync(door, [.. Enumerable.Range(1, 400).Select(i => new DoorSample(end - (400 - i) * 1_000L, i))]);
        return end;
    }

    private static async Task TakenAsync(Door door, params DoorSample[] samples)
    {
        var answer = await door.SendAsync(samples);
        Assert.True(answer.Taken, $"{door.Name}: {answer}");
    }

    private static async Task RefusedAsync(DoorBench bench, Door door, string cause, string message, params DoorSample[] samples)
    {
        var before = await bench.CounterAsync(Refused, $"door=\"{door.Counter}\"", $"cause=\"{cause}\"");
        var answer = await door.SendAsync(samples);
        Assert.True(answer is { Taken: false, Unavailable: false }, $"{door.Name}: {answer}");
        Assert.Contains(message, answer.Message, StringComparison.Ordinal);
        Assert.True(before + 1 == await bench.CounterAsync(Refused, $"door=\"{door.Counter}\"", $"cause=\"{cause}\""), $"{door.Name}: {cause} is counted once");
    }

    private static Task<double> AtAsync(DoorBench bench, Door door, long timeMs) =>
        bench.ValueAsync($"last_over_time({door.Name}[5m] @ {(timeMs / 1000.0).ToString("F3", System.Globalization.CultureInfo.InvariantCulture)})");
}
