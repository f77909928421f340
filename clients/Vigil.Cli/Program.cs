using System.CommandLine;
using System.CommandLine.Invocation;
using Spectre.Console;
using Vigil.Cli;

AnsiConsole.Console = Terminal.Create(Console.Out, Console.IsOutputRedirected);
var parsed = VigilCommand.Create().Parse(args);
// After Ctrl+C a command still says what it has done; push waits up to two seconds for acknowledgements that are on their way.
using var termination = new Termination(TimeSpan.FromSeconds(10), TimeProvider.System);
var exitCode = await termination.RunAsync(token => parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }, token));
return parsed.Action is ParseErrorAction ? ExitCode.Usage : exitCode;
