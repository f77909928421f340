using System.Diagnostics;
using System.Net.Http.Headers;
using Vigil.RemoteWriteLoad;

namespace Vigil.QueryLoad;

/// <summary>Gives the same samples to all receivers, in the order of time.</summary>
internal static class Loading
{
    private const int SamplesPerRequest = 10;

    public static async Task SendAsync(IReadOnlyList<Receiver> receivers, Workload workload)
    {
        using var http = new HttpClient();
        for (var step = 0; step < workload.Shape.Steps; step += SamplesPerRequest)
        {
            for (var group = 0; group < workload.PerPass; group++)
            {
                var body = workload.Make(group, step, SamplesPerRequest);
                await Task.WhenAll(receivers.Select(r => PostAsync(http, r, body)));
            }
        }
    }

    /// <summary>Waits until what they do after the load is done: checkpoints, compaction.</summary>
    public static async Task SettleAsync(IReadOnlyList<Receiver> receivers, TimeSpan atLeast)
    {
        var start = Stopwatch.GetTimestamp();
        var quiet = 0;
        while (quiet < 5)
        {
            var before = receivers.Sum(r => r.CpuSeconds);
            await Task.Delay(TimeSpan.FromSeconds(1));
            quiet = receivers.Sum(r => r.CpuSeconds) - before < 0.1 && Stopwatch.GetElapsedTime(start) > atLeast ? quiet + 1 : 0;
        }
    }

    private static async Task PostAsync(HttpClient http, Receiver receiver, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, receiver.WriteAddress) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        request.Content.Headers.ContentEncoding.Add("snappy");
        request.Headers.Add("X-Prometheus-Remote-Write-Version", "0.1.0");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Receiver.Token);
        using var response = await http.SendAsync(request);
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{receiver.Name}: {response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }
}
