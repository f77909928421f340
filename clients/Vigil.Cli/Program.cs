using System.CommandLine;
using System.CommandLine.Invocation;
using Spectre.Console;
using Vigil.Cli;

AnsiConsole.Console = Terminal.Create(Console.Out, Console.IsOutputRedirected);
var parsed = VigilCommand.Create().Parse(args);
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration
{
    // After Ctrl+C a command still says what it has done; push waits up to two seconds for acknowledgements that are on their way.
    ProcessTerminationTimeout = TimeSpan.FromSeconds(10),
});
return parsed.Action is ParseErrorAction ? ExitCode.Usage : exitCode;
