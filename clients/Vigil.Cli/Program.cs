using System.CommandLine.Invocation;
using Spectre.Console;
using Vigil.Cli;

AnsiConsole.Console = Terminal.Create(Console.Out, Console.IsOutputRedirected);
var parsed = VigilCommand.Create().Parse(args);
var exitCode = await parsed.InvokeAsync();
return parsed.Action is ParseErrorAction ? ExitCode.Usage : exitCode;
