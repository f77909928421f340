using System.Net.Http.Headers;

namespace Vigil.RemoteWriteLoad;

/// <summary>Sends requests as fast as they are answered, over a few connections that each have series of their own, so that these stay in order.</summary>
internal sealed class Sender(Uri address, int connections) : IDisposable
{
    private readonly HttpClient http = new(new SocketsHttpHandler { MaxConnectionsPerServer = connections });

    /// <summary>Passes over all series.</summary>
    /// <param name="bodies">Makes the requests.</param>
    /// <param name="firstStep">The first moment.</param>
    /// <param name="passes">How many passes.</param>
    /// <param name="samples">Moments in each request.</param>
    public Task SendAsync(Bodies bodies, int firstStep, int passes, int samples) => Task.WhenAll(Enumerable.Range(0, connections).Select(connection => Task.Run(async () =>
    {
        for (var pass = 0; pass < passes; pass++)
        {
            for (var group = connection; group < bodies.PerPass; group += connections) await PostAsync(bodies.Make(group, firstStep + pass * samples, samples));
        }
    })));

    public void Dispose() => http.Dispose();

    private async Task PostAsync(byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        request.Content.Headers.ContentEncoding.Add("snappy");
        request.Headers.Add("X-Prometheus-Remote-Write-Version", "0.1.0");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Receiver.Token);
        using var response = await http.SendAsync(request);
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }
}
