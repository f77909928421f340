using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class ReflectionTests
{
    // v1alpha's messages are the same bytes, so one set of types reads both.
    [Theory]
    [InlineData("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")]
    [InlineData("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")]
    public async Task Reflection_BothVersions_ListAndDescribeWhatIsMapped(string path)
    {
        await using var host = await StartAsync();
        var answers = await AskAsync(host, path,
            new ServerReflectionRequest { ListServices = "*" },
            new ServerReflectionRequest { FileContainingSymbol = "vigil.probe.v1.Probe" },
            new ServerReflectionRequest { FileContainingSymbol = "vigil.probe.v1.Note" },
#if !PACKAGESET_OFFICIAL
            // The official server knows no names below those of messages and services.
            new ServerReflectionRequest { FileContainingSymbol = "vigil.probe.v1.Probe.Unary" },
            new ServerReflectionRequest { FileContainingSymbol = "vigil.probe.v1.Note.text" },
#endif
            new ServerReflectionRequest { FileByFilename = "probe.proto" });
        var names = answers[0].ListServicesResponse.Service.Select(s => s.Name).ToArray();
        Assert.Contains("vigil.probe.v1.Probe", names);
        Assert.Contains("grpc.reflection.v1.ServerReflection", names);
        Assert.Contains("grpc.reflection.v1alpha.ServerReflection", names);
        foreach (var answer in answers.Skip(1))
        {
            var file = FileDescriptorProto.Parser.ParseFrom(Assert.Single(answer.FileDescriptorResponse.FileDescriptorProto));
            Assert.Equal("vigil.probe.v1", file.Package);
            Assert.Equal(["Unary", "Collect", "Expand", "Chat"], file.Service.Single().Method.Select(m => m.Name));
        }
    }

    [Fact]
    public async Task Reflection_UnknownNames_NotFoundAndStreamGoesOn()
    {
        await using var host = await StartAsync();
        var answers = await AskAsync(host, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            new ServerReflectionRequest { FileContainingSymbol = "no.such.Thing" },
            new ServerReflectionRequest { FileByFilename = "no.proto" },
            new ServerReflectionRequest { ListServices = "" });
        Assert.Equal([(int)StatusCode.NotFound, (int)StatusCode.NotFound], answers.Take(2).Select(a => a.ErrorResponse.ErrorCode));
        Assert.NotEmpty(answers[2].ListServicesResponse.Service);
    }

    private static async Task<ServerReflectionResponse[]> AskAsync(ProbeHost host, string path, params ServerReflectionRequest[] requests)
    {
        var response = await host.Wire.CallAsync(path, requests.SelectMany(Wire.Frame).ToArray()).DefaultTimeout();
        Assert.Equal(0, response.Status);
        return [.. response.Frames.Select(f => ServerReflectionResponse.Parser.ParseFrom(f.Payload))];
    }

    private static Task<ProbeHost> StartAsync() => ProbeHost.StartAsync(
        configure: b => b.Services.AddGrpcReflection(),
        map: app =>
        {
            app.MapGrpcService<ProbeService>();
            app.MapGrpcReflectionService();
        });
}
