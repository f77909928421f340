using System.Reflection;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Reflection;

/// <summary>Files, symbols and extensions of every generated service that the application maps.</summary>
internal sealed class DescriptorIndex(IServiceProvider services)
{
    private readonly Lazy<Index> index = new(() => Build(services.GetRequiredService<EndpointDataSource>()));

    public IReadOnlyCollection<string> Services => index.Value.Services;

    public FileDescriptor? FileByName(string name) => index.Value.Files.GetValueOrDefault(name);

    public FileDescriptor? FileBySymbol(string symbol) => index.Value.Symbols.GetValueOrDefault(symbol);

    public FileDescriptor? FileByExtension(string message, int number) =>
        index.Value.Extensions.TryGetValue(message, out var numbers) ? numbers.GetValueOrDefault(number) : null;

    /// <summary>The numbers of a message's extensions; null where the message is not known.</summary>
    public IEnumerable<int>? ExtensionsOf(string message) =>
        index.Value.Extensions.TryGetValue(message, out var numbers) ? numbers.Keys : index.Value.Symbols.ContainsKey(message) ? [] : null;

    /// <summary>A file behind all that it imports.</summary>
    public static IEnumerable<ByteString> WithImports(FileDescriptor file)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var ordered = new List<ByteString>();
        Visit(file);
        return ordered;

        void Visit(FileDescriptor next)
        {
            if (!seen.Add(next.Name)) return;
            foreach (var import in next.Dependencies) Visit(import);
            ordered.Add(next.SerializedData);
        }
    }

    private static Index Build(EndpointDataSource endpoints)
    {
        var built = new Index();
        foreach (var type in endpoints.Endpoints.Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct())
        {
            // A service bound by delegates has no descriptor to find.
            var descriptor = type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: true)?.BindType
                .GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null) as Google.Protobuf.Reflection.ServiceDescriptor;
            if (descriptor is not null && built.Services.Add(descriptor.FullName)) built.Add(descriptor.File);
        }
        return built;
    }

    private sealed class Index
    {
        public SortedSet<string> Services { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, FileDescriptor> Files { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, FileDescriptor> Symbols { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, SortedDictionary<int, FileDescriptor>> Extensions { get; } = new(StringComparer.Ordinal);

        public void Add(FileDescriptor file)
        {
            if (!Files.TryAdd(file.Name, file)) return;
            foreach (var import in file.Dependencies) Add(import);
            foreach (var message in file.MessageTypes) Add(message);
            foreach (var type in file.EnumTypes) Add(type);
            foreach (var service in file.Services)
            {
                Symbols[service.FullName] = file;
                foreach (var method in service.Methods) Symbols[method.FullName] = file;
            }
            foreach (var extension in file.Extensions.UnorderedExtensions) Add(extension);
        }

        private void Add(MessageDescriptor message)
        {
            Symbols[message.FullName] = message.File;
            foreach (var field in message.Fields.InDeclarationOrder()) Symbols[field.FullName] = message.File;
            foreach (var oneof in message.Oneofs) Symbols[oneof.FullName] = message.File;
            foreach (var nested in message.NestedTypes) Add(nested);
            foreach (var nested in message.EnumTypes) Add(nested);
            foreach (var extension in message.Extensions.UnorderedExtensions) Add(extension);
        }

        private void Add(EnumDescriptor type)
        {
            Symbols[type.FullName] = type.File;
            foreach (var value in type.Values) Symbols[value.FullName] = type.File;
        }

        private void Add(FieldDescriptor extension)
        {
            Symbols[extension.FullName] = extension.File;
            if (!Extensions.TryGetValue(extension.ExtendeeType.FullName, out var numbers)) Extensions[extension.ExtendeeType.FullName] = numbers = [];
            numbers[extension.FieldNumber] = extension.File;
        }
    }
}
