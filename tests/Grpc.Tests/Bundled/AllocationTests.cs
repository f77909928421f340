using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Vigil.Grpc.Tests.Bundled;

[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>What a call costs over a bare endpoint that reads and writes the same bytes, both through the same client.</summary>
[Collection("alone")]
public sealed class AllocationTests(ITestOutputHelper output)
{
    private const int Calls = 3_000;

    [Fact]
    public async Task Unary_AllocatedOverBareEndpoint_UnderTwoKilobytes()
    {
        await using var host = await ProbeHost.StartAsync(map: app =>
        {
            app.MapGrpcService<ProbeService>();
            app.MapPost("/bare", async (HttpContext http) =>
            {
                var read = await http.Request.BodyReader.ReadAtLeastAsync(1);
                http.Response.ContentType = "application/grpc";
                await http.Response.StartAsync();
                foreach (var segment in read.Buffer) segment.Span.CopyTo(http.Response.BodyWriter.GetSpan(segment.Length));
                http.Response.BodyWriter.Advance((int)read.Buffer.Length);
                http.Request.BodyReader.AdvanceTo(read.Buffer.End);
                http.Response.AppendTrailer("grpc-status", "0");
            });
        });
        using var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        var body = Wire.Frame(new Note { Text = "a small message", Number = 7 });
        await RunAsync("/bare");
        await RunAsync(WireClient.Unary);
        var bare = await RunAsync("/bare");
        var grpc = await RunAsync(WireClient.Unary);
        output.WriteLine($"bytes per call, client included: bare {bare}, gRPC {grpc}, over it {grpc - bare}");
        Assert.InRange(grpc - bare, long.MinValue, 2_000);

        async Task<long> RunAsync(string path)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Calls; i++)
            {
                var content = new ByteArrayContent(body);
                content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
                using var response = await client.SendAsync(WireClient.Request(host.Wire.Address, path, content), CancellationToken.None).DefaultTimeout();
                await response.Content.CopyToAsync(Stream.Null).DefaultTimeout();
            }
            return (GC.GetTotalAllocatedBytes(precise: true) - before) / Calls;
        }
    }
}
