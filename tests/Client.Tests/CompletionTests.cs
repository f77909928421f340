using System.Diagnostics;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

/// <summary>The scripts of <c>vigil completion</c>, run by the shells they are for, with the real <c>vigil</c> on the PATH.</summary>
public sealed class CompletionTests
{
    // What bash does at a press of TAB: calls the function that is registered, with the line in COMP_LINE and the word in $2.
    private const string Bash = """
        source <(vigil completion bash)
        [[ "$(complete -p vigil)" =~ "-o default -F "([^ ]+) ]] || exit 9
        for COMP_LINE; do
            COMP_POINT=${#COMP_LINE}
            "${BASH_REMATCH[1]}" vigil "${COMP_LINE##* }" ""
            echo "${COMPREPLY[*]:-files}"
        done
        """;

    // As zsh's completion system calls it, but for compadd (which only works inside the line editor) and for file names.
    private const string Zsh = """
        autoload -Uz compinit && compinit -u -D
        source <(vigil completion zsh)
        compadd() { matching=("${(@M)${(P)2}:#$PREFIX*}"); (( $#matching )) }
        _files() { matching=(files) }
        for line; do
            words=("${(@s: :)line}") CURRENT=$#words PREFIX=$words[-1] matching=()
            "$_comps[vigil]"
            print -r -- "$matching"
        done
        """;

    private static readonly (string Line, string Offered)[] Presses =
    [
        ("vigil ", "agent alerts completion config graph policies push query status watch"),
        ("vigil qu", "query"),
        ("./vigil sta", "status"),
        ("vigil --me", "--metrics"),
        ("vigil query --ti", "--time"),
        ("vigil query --json --ti", "--time"),
        ("vigil policies ch", "check"),
        ("vigil completion ", "bash zsh"),
        // Nothing of its own: the shell completes files.
        ("vigil policies check ", "files"),
        ("vigil policies check /h", "files"),
        ("vigil policies check rules", "files"),
    ];

    // zsh where there is one; bash is everywhere.
    public static TheoryData<string> Shells() => Needs.Find("zsh") is null ? new() { "bash" } : new() { "bash", "zsh" };

    [Theory, MemberData(nameof(Shells))]
    public async Task Script_InItsShell_CompletesCommandsAndOptions(string shell)
    {
        string[] arguments = shell == "bash" ? ["--norc", "--noprofile", "-c", Bash] : ["-f", "-c", Zsh];
        var start = new ProcessStartInfo(Needs.Require(shell), [.. arguments, shell, .. Presses.Select(p => p.Line)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["LC_ALL"] = "C.UTF-8";
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().DefaultTimeout(TimeSpan.FromMinutes(1));

        Assert.Equal("", await errors.DefaultTimeout());
        Assert.Equal(Presses, Presses.Select(p => p.Line).Zip((await output.DefaultTimeout()).TrimEnd('\n').Split('\n')));
        Assert.Equal(0, process.ExitCode);
    }
}
