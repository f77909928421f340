using System.CommandLine;
using Vigil.Cli.Agent;
using Vigil.Cli.Commands;

namespace Vigil.Cli;

/// <summary>The root of the command line: <c>vigil</c>.</summary>
internal static class VigilCommand
{
    public static RootCommand Create()
    {
        var connection = new ConnectionOptions();
        var root = new RootCommand("""
            Vigil's terminal client.

            Exit codes: 0 done; 1 refused or failed; 2 bad usage or input; 3 the service cannot be reached; 4 token missing or without the scope;
            130 interrupted; 143 terminated.
            Addresses and token: by option, else VIGIL_METRICS, VIGIL_ALERTING and VIGIL_TOKEN, else `vigil config`, else this machine's
            default ports and, where AppHost made one, the nearest data/tokens.json.
            """);
        connection.AddTo(root);
        root.Subcommands.Add(PushCommand.Create(connection));
        root.Subcommands.Add(QueryCommand.Create(connection));
        root.Subcommands.Add(WatchCommand.Create(connection));
        root.Subcommands.Add(AlertsCommand.Create(connection));
        root.Subcommands.Add(PoliciesCommand.Create(connection));
        root.Subcommands.Add(StatusCommand.Create(connection));
        root.Subcommands.Add(GraphCommand.Create(connection));
        root.Subcommands.Add(AgentCommand.Create(connection));
        root.Subcommands.Add(ConfigCommand.Create());
        root.Subcommands.Add(CompletionCommand.Create());
        return root;
    }
}
