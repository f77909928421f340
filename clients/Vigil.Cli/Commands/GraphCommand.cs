using System.CommandLine;
using Spectre.Console;
using Vigil.Metrics.V1;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil graph</c>: the declared services, what each depends on, and how each is.</summary>
internal static class GraphCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var name = new Argument<string?>("service") { Description = "Only this service and what it depends on.", Arity = ArgumentArity.ZeroOrOne };
        var exitCode = Flag.Create("--fail-when-down", "Exit with 1 when a service is down: for scripts.");
        var command = new Command("graph", "Show services, what they depend on, and how they are.") { name, exitCode };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            using var vigil = to.Open();
            var graph = await new Dependencies.DependenciesClient(vigil.MetricsInvoker)
                .GetGraphAsync(new GetGraphRequest { Service = parsed.GetValue(name) ?? "" }, deadline: Deadline.In(30), cancellationToken: cancellationToken).ConfigureAwait(false);
            if (to.Json) Json.Print(new { evaluatedAt = graph.EvaluatedAtUnixMs / 1000.0, services = graph.Services.Select(Shape) });
            else if (graph.Services.Count == 0) AnsiConsole.MarkupLine("no services are declared (Metrics:DependencyFile)");
            else foreach (var tree in Trees(graph.Services)) AnsiConsole.Write(tree);
            return parsed.GetValue(exitCode) && graph.Services.Any(s => s.State == HealthState.Down) ? ExitCode.Refused : ExitCode.Done;
        });
        return command;
    }

    /// <summary>A tree per service that no other depends on. What a service needs is shown once, where it comes first.</summary>
    public static IEnumerable<Tree> Trees(IReadOnlyList<ServiceHealth> services)
    {
        var byName = services.ToDictionary(s => s.Name, StringComparer.Ordinal);
        var needed = services.SelectMany(s => s.DependsOn).ToHashSet(StringComparer.Ordinal);
        var shown = new HashSet<string>(StringComparer.Ordinal);
        foreach (var root in services.Where(s => !needed.Contains(s.Name)))
        {
            var tree = new Tree(Line(root, again: false));
            shown.Add(root.Name);
            Add(tree, root);
            yield return tree;
        }

        void Add(IHasTreeNodes parent, ServiceHealth service)
        {
            foreach (var name in service.DependsOn)
            {
                if (!byName.TryGetValue(name, out var below)) continue;
                var again = !shown.Add(name) && below.DependsOn.Count > 0;
                var node = parent.AddNode(Line(below, again));
                if (!again) Add(node, below);
            }
        }
    }

    private static Markup Line(ServiceHealth service, bool again)
    {
        var text = $"[{Style(service.State)}]{Name(service.State),-8}[/] {Markup.Escape(Terminal.Visible(service.Name))}";
        if (again) return new Markup($"{text} [grey](above)[/]");
        if (service.State != HealthState.Up) text += $"  {Markup.Escape(Terminal.Visible(service.Reason))}";
        if (service.DownBelow.Count > 0) text += $"  [red]down below: {Markup.Escape(Terminal.Visible(string.Join(", ", service.DownBelow)))}[/]";
        return new Markup(text);
    }

    private static object Shape(ServiceHealth s) => new
    {
        name = s.Name,
        title = s.Title,
        dependsOn = s.DependsOn,
        state = Name(s.State),
        reason = s.Reason,
        checks = s.Checks.Select(c => new { name = c.Name, expr = c.Expr, required = c.Required, state = Name(c.State), holding = c.Holding, series = c.Series, error = c.Error.Length == 0 ? null : c.Error }),
        downBelow = s.DownBelow,
    };

    private static string Name(HealthState state) => state.ToString().ToLowerInvariant();

    private static string Style(HealthState state) => state switch { HealthState.Up => "green", HealthState.Degraded => "yellow", HealthState.Down => "red", _ => "grey" };
}
