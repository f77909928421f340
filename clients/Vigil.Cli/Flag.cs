using System.CommandLine;

namespace Vigil.Cli;

/// <summary>An option that is there or not.</summary>
internal static class Flag
{
    /// <summary>One that takes no value ("--json true"): while it does, completion offers nothing but values after it.</summary>
    public static Option<bool> Create(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, Arity = ArgumentArity.Zero };
}
