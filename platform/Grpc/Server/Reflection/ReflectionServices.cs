using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Alpha = Grpc.Reflection.V1Alpha;

namespace Grpc.AspNetCore.Server.Reflection;

/// <summary>grpc.reflection.v1.</summary>
internal sealed class ReflectionV1Service(DescriptorIndex index) : ServerReflection.ServerReflectionBase
{
    public override async Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream, IServerStreamWriter<ServerReflectionResponse> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken).ConfigureAwait(false))
            await responseStream.WriteAsync(ReflectionAnswers.Answer(index, requestStream.Current), CancellationToken.None).ConfigureAwait(false);
    }
}

/// <summary>grpc.reflection.v1alpha, whose messages are the same bytes under other names.</summary>
internal sealed class ReflectionV1AlphaService(DescriptorIndex index) : Alpha.ServerReflection.ServerReflectionBase
{
    public override async Task ServerReflectionInfo(
        IAsyncStreamReader<Alpha.ServerReflectionRequest> requestStream, IServerStreamWriter<Alpha.ServerReflectionResponse> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken).ConfigureAwait(false))
        {
            var answer = ReflectionAnswers.Answer(index, ServerReflectionRequest.Parser.ParseFrom(requestStream.Current.ToByteString()));
            await responseStream.WriteAsync(Alpha.ServerReflectionResponse.Parser.ParseFrom(answer.ToByteString()), CancellationToken.None).ConfigureAwait(false);
        }
    }
}

internal static class ReflectionAnswers
{
    public static ServerReflectionResponse Answer(DescriptorIndex index, ServerReflectionRequest request)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse { Service = { index.Services.Select(name => new ServiceResponse { Name = name }) } };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                File(response, index.FileByName(request.FileByFilename), $"File '{request.FileByFilename}' is not known.");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                File(response, index.FileBySymbol(request.FileContainingSymbol), $"Symbol '{request.FileContainingSymbol}' is not known.");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                var extension = request.FileContainingExtension;
                File(response, index.FileByExtension(extension.ContainingType, extension.ExtensionNumber),
                    $"Extension {extension.ExtensionNumber} of '{extension.ContainingType}' is not known.");
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                if (index.ExtensionsOf(request.AllExtensionNumbersOfType) is { } numbers)
                    response.AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType, ExtensionNumber = { numbers } };
                else
                    Error(response, StatusCode.NotFound, $"Type '{request.AllExtensionNumbersOfType}' is not known.");
                break;
            default:
                Error(response, StatusCode.Unimplemented, "The request asks for nothing that is known.");
                break;
        }
        return response;
    }

    private static void File(ServerReflectionResponse response, FileDescriptor? file, string otherwise)
    {
        if (file is null) Error(response, StatusCode.NotFound, otherwise);
        else response.FileDescriptorResponse = new FileDescriptorResponse { FileDescriptorProto = { DescriptorIndex.WithImports(file) } };
    }

    private static void Error(ServerReflectionResponse response, StatusCode code, string message) =>
        response.ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = message };
}
