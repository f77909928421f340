using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>What keeps a service from starting and is the operator's to mend: said in a sentence, without a stack trace.</summary>
internal static class StartupFailure
{
    /// <summary>The sentence; null for what is not known here and needs its stack trace.</summary>
    public static string? Explain(Exception exception) => exception switch
    {
        OptionsValidationException options => string.Join("\n", options.Failures),
        StorageException storage => storage.Message,
        IOException { InnerException: AddressInUseException } taken =>
            $"{taken.Message.TrimEnd('.')}. Another program listens there, maybe a service that still runs: stop it, or choose other ports by Listen:GrpcPort and Listen:HttpPort (environment variables Listen__GrpcPort, Listen__HttpPort).",
        AggregateException { InnerExceptions: [var only] } => Explain(only),
        _ => null,
    };
}
