using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf.Reflection;
using Vigil.Testing;

namespace Vigil.Conformance;

/// <summary>A program in another language that makes calls for the tests: one process, commands and answers as JSON lines.</summary>
public sealed class Driver : IAsyncDisposable
{
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> waiting = new();
    private readonly SemaphoreSlim writing = new(1);
    private readonly Process process;
    private readonly Task reading;
    private readonly Task<string> errors;
    private int lastId;

    private Driver(Process process)
    {
        this.process = process;
        reading = ReadAsync();
        errors = process.StandardError.ReadToEndAsync();
    }

    public static async Task<Driver> StartAsync(string name)
    {
        var start = DriverSetup.StartInfo(name);
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        var driver = new Driver(Process.Start(start)!);
        if (name == DriverSetup.Python)
        {
            FileDescriptor[] files = [ConformanceReflection.Descriptor, HealthV1.HealthReflection.Descriptor,
                ReflectionV1.ReflectionV1Reflection.Descriptor, ReflectionV1alpha.ReflectionV1AlphaReflection.Descriptor];
            await driver.SendAsync("load", new JsonObject { ["files"] = new JsonArray([.. files.Select(f => (JsonNode)f.SerializedData.ToBase64())]) });
        }
        return driver;
    }

    public async Task<JsonElement> SendAsync(string command, JsonObject? arguments = null)
    {
        var id = Interlocked.Increment(ref lastId);
        var message = arguments ?? [];
        message["id"] = id;
        message["do"] = command;
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[id] = answer;
        if (reading.IsCompleted) throw new InvalidOperationException($"The driver has ended: {await errors}");
        await writing.WaitAsync();
        try
        {
            await process.StandardInput.WriteLineAsync(message.ToJsonString());
            await process.StandardInput.FlushAsync();
        }
        finally
        {
            writing.Release();
        }
        return await answer.Task;
    }

    public async Task<CallResult> CallAsync(DriverCall call) =>
        (await SendAsync("call", call.ToJson())).Deserialize<CallResult>(JsonSerializerOptions.Web)!;

    private async Task ReadAsync()
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            using var parsed = JsonDocument.Parse(line);
            var answer = parsed.RootElement.Clone();
            if (!waiting.TryRemove(answer.GetProperty("id").GetInt32(), out var waiter)) continue;
            if (answer.TryGetProperty("ok", out var ok)) waiter.SetResult(ok);
            else waiter.SetException(new InvalidOperationException(answer.GetProperty("error").GetString()));
        }
        var why = new InvalidOperationException($"The driver has ended: {await errors}");
        foreach (var waiter in waiting.Values) waiter.TrySetException(why);
    }

    public async ValueTask DisposeAsync()
    {
        // Both drivers end at the end of their input; one that does not is ended.
        process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }
        process.Dispose();
        writing.Dispose();
    }
}

/// <summary>One call that a driver is to make.</summary>
public sealed record DriverCall(Uri Address, string Method)
{
    public string Service { get; init; } = "vigil.conformance.v1.Conformance";
    public string Name { get; init; } = Guid.NewGuid().ToString("n");
    public JsonArray? Messages { get; init; }
    public (int Count, int Size)? Repeat { get; init; }
    public (string Key, string Value)[] Metadata { get; init; } = [];
    public int? DeadlineMs { get; init; }
    public int? CancelAfter { get; init; }
    public int? CancelAfterMs { get; init; }
    public int? PauseAfter { get; init; }
    public int? StopAfter { get; init; }
    public int? MaxReceive { get; init; }
    public bool Compress { get; init; }
    public bool KeepOpen { get; init; }
    public bool Alone { get; init; }

    public static JsonNode Bytes(ReadOnlySpan<byte> bytes) => new JsonObject { ["$b"] = Convert.ToBase64String(bytes) };

    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["address"] = Address.Authority,
            ["service"] = Service,
            ["method"] = Method,
            ["name"] = Name,
            ["metadata"] = new JsonArray([.. Metadata.Select(m => (JsonNode)new JsonArray(m.Key, m.Value))]),
            ["compress"] = Compress,
            ["keepOpen"] = KeepOpen,
            ["alone"] = Alone,
        };
        if (Messages is not null) json["messages"] = Messages;
        if (Repeat is { } repeat) json["repeat"] = new JsonObject { ["count"] = repeat.Count, ["size"] = repeat.Size };
        Add("deadlineMs", DeadlineMs);
        Add("cancelAfter", CancelAfter);
        Add("cancelAfterMs", CancelAfterMs);
        Add("pauseAfter", PauseAfter);
        Add("stopAfter", StopAfter);
        Add("maxReceive", MaxReceive);
        return json;

        void Add(string name, int? value)
        {
            if (value is not null) json[name] = value.Value;
        }
    }
}

/// <summary>How a driver's call went.</summary>
public sealed record CallResult(int Code, string Details, string[][] Headers, string[][] Trailers, int Count, long Bytes, JsonElement[] First, JsonElement? Last)
{
    public string[] Header(string key) => [.. Headers.Where(h => h[0] == key).Select(h => h[1])];

    public string[] Trailer(string key) => [.. Trailers.Where(h => h[0] == key).Select(h => h[1])];

    public string Text => Last!.Value.GetProperty("text").GetString()!;

    public long Number => Last!.Value.GetProperty("number").GetInt64();

    public long Total => Last!.Value.GetProperty("total").GetInt64();

    public byte[] Payload => Convert.FromBase64String(Last!.Value.GetProperty("payload").GetProperty("$b").GetString()!);
}
