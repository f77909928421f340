using System.CommandLine;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil completion SHELL</c>: prints a script that asks <c>vigil</c> itself (System.CommandLine's suggest directive).</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _vigil() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(vigil "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _vigil vigil
        """;

    private const string Zsh = """
        #compdef vigil
        _vigil() {
            local -a completions
            completions=("${(@f)$(vigil "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a completions
        }
        compdef _vigil vigil
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash or zsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var command = new Command("completion", "Print a completion script: source <(vigil completion bash)") { shell };
        command.Run((parsed, _) =>
        {
            Console.Out.WriteLine(parsed.GetValue(shell) == "bash" ? Bash : Zsh);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
