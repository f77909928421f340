namespace Vigil.AppHost;

/// <summary>What the AppHost was asked for.</summary>
/// <param name="Demo">Adds a service that breaks now and then, and tells the story of its pages.</param>
/// <param name="NoAgent">Leaves out the agent, so that only what callers push is there.</param>
/// <param name="Configuration">The rest: <c>--Key:Sub=value</c>.</param>
internal sealed record CommandLine(bool Demo, bool NoAgent, string[] Configuration)
{
    public const string Help = """
        Starts Vigil on this machine and watches it.

        usage: dotnet run --project AppHost -- [options]

          --demo        add a small shop that breaks on a timer, and tell how its pages come about
          --no-agent    do not stream this machine's own metrics (not together with --demo)
          --help        this text

        Configuration, as --Key=value or as an environment variable with __ for each colon:

          --Ports:metrics:grpc=4317      --Ports:metrics:http=9090
          --Ports:alerting:grpc=6102     --Ports:alerting:http=9093     --Ports:demo-shop:http=5190
          --Storage:Directory=data       where databases and tokens.json are, relative to the repository
          --Policies:Directory=policies  the policy files
          --ConnectionStrings:postgres=...   PostgreSQL in place of SQLite files
          --ConnectionStrings:redis=...      handed to the services; nothing uses Redis yet
          --Demo:FirstBreak=15 --Demo:BrokenFor=20 --Demo:Every=60   when the shop of --demo breaks, in seconds
          OTEL_EXPORTER_OTLP_ENDPOINT    where traces, metrics and logs go as well

        Environment variables reach the services too: Notify__Webhooks__0__Url=https://... sends the pages there.
        """;

    /// <summary>False where the process should print <paramref name="answer"/> and end.</summary>
    public static bool TryParse(string[] args, out CommandLine options, out string answer)
    {
        options = new CommandLine(args.Contains("--demo"), args.Contains("--no-agent"), [.. args.Where(a => a is not ("--demo" or "--no-agent"))]);
        answer = "";
        if (args.Any(a => a is "--help" or "-h" or "-?")) answer = Help;
        // A lone "--Key" would quietly swallow the argument after it.
        else if (options.Configuration.FirstOrDefault(a => !a.StartsWith("--", StringComparison.Ordinal) || !a.Contains('=')) is { } unknown)
            answer = $"'{unknown}' is not an option: --help lists them";
        else if (options is { Demo: true, NoAgent: true }) answer = "--demo needs the agent, which probes the shop: leave out --no-agent";
        return answer.Length == 0;
    }
}
