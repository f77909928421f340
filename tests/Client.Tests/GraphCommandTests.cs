using Spectre.Console;
using Vigil.Cli.Commands;
using Vigil.Metrics.V1;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class GraphCommandTests
{
    [Fact]
    public void Trees_AGraph_ShowsEachSubtreeOnceAndWhatIsDownBelow()
    {
        ServiceHealth[] services =
        [
            Service("lb", HealthState.Up, ["db"], "web"),
            Service("web", HealthState.Degraded, ["db"], "model", "db"),
            Service("model", HealthState.Up, ["db"], "db"),
            Service("db", HealthState.Down, []),
            Service("monitoring", HealthState.Unknown, ["db"], "web"),
        ];
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = 200;
        foreach (var tree in GraphCommand.Trees(services)) console.Write(tree);
        Assert.Equal(
        [
            "up       lb  down below: db",
            "└── degraded web  why  down below: db",
            "    ├── up       model  down below: db",
            "    │   └── down     db  why",
            "    └── down     db  why",
            "unknown  monitoring  why  down below: db",
            "└── degraded web (above)",
        ], text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.TrimEnd()));
    }

    private static ServiceHealth Service(string name, HealthState state, string[] downBelow, params string[] dependsOn) =>
        new() { Name = name, State = state, Reason = "why", DownBelow = { downBelow }, DependsOn = { dependsOn } };
}
