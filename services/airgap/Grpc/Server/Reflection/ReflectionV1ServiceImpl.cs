using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;

namespace Grpc.Reflection;

/// <summary>Server reflection, version v1.</summary>
public class ReflectionV1ServiceImpl : ServerReflection.ServerReflectionBase
{
    private readonly ReflectionAnswers _answers;

    /// <summary>Reflects the services of a list, by a registry that holds their files.</summary>
    public ReflectionV1ServiceImpl(IEnumerable<string> services, SymbolRegistry symbolRegistry)
    {
        _answers = new ReflectionAnswers(services, symbolRegistry);
    }

    /// <summary>Reflects services.</summary>
    public ReflectionV1ServiceImpl(IEnumerable<ServiceDescriptor> serviceDescriptors)
    {
        _answers = ReflectionAnswers.FromServices(serviceDescriptors);
    }

    /// <summary>Reflects services.</summary>
    public ReflectionV1ServiceImpl(params ServiceDescriptor[] serviceDescriptors)
        : this((IEnumerable<ServiceDescriptor>)serviceDescriptors)
    {
    }

    /// <summary>Answers each request in turn.</summary>
    public override async Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream, IServerStreamWriter<ServerReflectionResponse> responseStream, ServerCallContext context)
    {
        while (await requestStream.MoveNext(CancellationToken.None).ConfigureAwait(false))
        {
            var request = requestStream.Current;
            var response = Answer(request);
            response.ValidHost = request.Host;
            response.OriginalRequest = request;
            await responseStream.WriteAsync(response).ConfigureAwait(false);
        }
    }

    private static ServerReflectionResponse Files(IReadOnlyList<ByteString>? files, string what)
        => files is null
            ? Error(ReflectionAnswers.NotFound, $"{what} not found.")
            : new ServerReflectionResponse { FileDescriptorResponse = new FileDescriptorResponse { FileDescriptorProto = { files } } };

    private static ServerReflectionResponse Error(int code, string message)
        => new() { ErrorResponse = new ErrorResponse { ErrorCode = code, ErrorMessage = message } };

    private ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                return Files(_answers.FileByName(request.FileByFilename), "File");
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                return Files(_answers.FileContainingSymbol(request.FileContainingSymbol), "Symbol");
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                var extension = request.FileContainingExtension;
                return Files(_answers.FileContainingExtension(extension.ContainingType, extension.ExtensionNumber), "Extension");
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                return ExtensionNumbers(request.AllExtensionNumbersOfType);
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                var services = _answers.Services.Select(name => new ServiceResponse { Name = name });
                return new ServerReflectionResponse { ListServicesResponse = new ListServiceResponse { Service = { services } } };
            default:
                return Error((int)StatusCode.Unimplemented, "Request type not supported by this version of server reflection.");
        }
    }

    private ServerReflectionResponse ExtensionNumbers(string type)
        => _answers.ExtensionNumbers(type) is { } numbers
            ? new ServerReflectionResponse
            {
                AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = type, ExtensionNumber = { numbers } },
            }
            : Error(ReflectionAnswers.NotFound, "Type not found.");
}
