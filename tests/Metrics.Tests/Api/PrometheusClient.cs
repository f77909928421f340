using System.Net;
using System.Text.Json;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

/// <summary>Asks the Prometheus API of a host as its clients do.</summary>
internal sealed class PrometheusClient : IDisposable
{
    public PrometheusClient(MetricsHost host, HttpMessageHandler? handler = null)
    {
        Http = handler is null ? new HttpClient() : new HttpClient(handler);
        Http.BaseAddress = host.HttpAddress;
        Http.DefaultRequestHeaders.Authorization = new("Bearer", MetricsHost.Token);
    }

    public HttpClient Http { get; }

    /// <summary>The whole answer, which must be a success.</summary>
    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await SendAsync(HttpMethod.Get, path);
        return await ReadAsync(response);
    }

    /// <summary>The same by a form, as Grafana sends it unless told otherwise.</summary>
    public async Task<JsonElement> PostAsync(string path, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        using var response = await Http.PostAsync(new Uri($"api/v1/{path}", UriKind.Relative), content).DefaultTimeout();
        return await ReadAsync(response);
    }

    /// <summary>The value of the one element of a vector.</summary>
    public async Task<string> ValueAsync(string expr, string more = "")
    {
        var data = (await GetAsync($"query?query={Uri.EscapeDataString(expr)}{more}")).GetProperty("data");
        var result = data.GetProperty("result");
        return data.GetProperty("resultType").GetString() == "scalar"
            ? result[1].GetString()!
            : Assert.Single(result.EnumerateArray()).GetProperty("value")[1].GetString()!;
    }

    /// <summary>Status, error type and message of a refusal.</summary>
    public async Task<(HttpStatusCode Status, string Type, string Message)> RefusedAsync(string path)
    {
        using var response = await SendAsync(HttpMethod.Get, path);
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("error", answer.GetProperty("status").GetString());
        return (response.StatusCode, answer.GetProperty("errorType").GetString()!, answer.GetProperty("error").GetString()!);
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, new Uri(path.StartsWith('/') ? path : $"api/v1/{path}", UriKind.Relative));
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return Http.SendAsync(request).DefaultTimeout();
    }

    public void Dispose() => Http.Dispose();

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        var answer = JsonDocument.Parse(body).RootElement;
        Assert.Equal("success", answer.GetProperty("status").GetString());
        return answer;
    }
}
