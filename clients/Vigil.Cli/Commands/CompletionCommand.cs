using System.CommandLine;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil completion SHELL</c>: prints a script that asks <c>vigil</c> itself (System.CommandLine's suggest directive).</summary>
internal static class CompletionCommand
{
    // Options only where one was begun: readline falls back to file names where nothing is found, so that FILE can be completed too.
    private const string Bash = """
        _vigil() {
            local found
            COMPREPLY=()
            while IFS= read -r found; do
                if [[ $found == "$2"* && $found != /* && ( $found != -* || $2 == -* ) ]]; then COMPREPLY+=("$found"); fi
            done < <(vigil "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)
        }
        complete -o default -F _vigil vigil
        """;

    private const string Zsh = """
        #compdef vigil
        _vigil() {
            local line="${(j: :)words[1,CURRENT]}"
            local -a found
            found=("${(@f)$(vigil "[suggest:${#line}]" "$line" 2>/dev/null)}")
            found=("${(@)found:#/*}")
            [[ $PREFIX == -* ]] || found=("${(@)found:#-*}")
            compadd -a found || _files
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
