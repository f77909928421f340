using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Vigil.ServiceDefaults.Yaml;

/// <summary>Reads a file of settings that people write, with bounds on what it may be.</summary>
public static class YamlFile
{
    /// <summary>Most characters of a file.</summary>
    public const int MaxLength = 1 << 20;

    /// <summary>Deepest nesting read: formats here need less than ten.</summary>
    private const int MaxDepth = 32;

    private const int MaxNodes = 500_000;

    /// <summary>The file's root; null where it is empty, or refused with what is in <paramref name="report"/>.</summary>
    /// <param name="content">YAML, of which JSON is a part.</param>
    /// <param name="expected">What the root must be, as a phrase, for the finding where it is not: "a mapping with the key 'groups'".</param>
    /// <param name="report">Takes the findings.</param>
    /// <typeparam name="T"><see cref="YamlMappingNode"/> or <see cref="YamlSequenceNode"/>.</typeparam>
    public static T? Load<T>(string content, string expected, YamlReport report) where T : YamlNode
    {
        if (content.Length > MaxLength)
        {
            report.Error(Mark.Empty, "", $"is {content.Length:N0} characters long; the limit is {MaxLength:N0}");
            return null;
        }
        // Editors put a byte order mark in front; read from a file it is gone by now, sent to be checked it is not.
        if (content.StartsWith('\uFEFF')) content = content[1..];
        try
        {
            return IsBounded(content, report) ? Root<T>(content, expected, report) : null;
        }
        catch (YamlException e)
        {
            report.Error(e.Start, "", $"is not YAML: {Plain(e)}");
            return null;
        }
    }

    /// <summary>
    /// A pass over the document's events bounds depth and size: the loader itself recurses, and a file of a hundred thousand brackets
    /// would end the process.
    /// </summary>
    private static bool IsBounded(string content, YamlReport report)
    {
        var parser = new Parser(new StringReader(content));
        var depth = 0;
        var nodes = 0;
        while (parser.MoveNext())
        {
            if (parser.Current is not { } current) continue;
            depth += current.NestingIncrease;
            if (depth <= MaxDepth && ++nodes <= MaxNodes) continue;
            report.Error(current.Start, "", depth > MaxDepth ? $"is nested deeper than {MaxDepth} levels" : $"has more than {MaxNodes:N0} nodes");
            return false;
        }
        return true;
    }

    private static T? Root<T>(string content, string expected, YamlReport report) where T : YamlNode
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(content));
        if (stream.Documents.Count > 1) report.Error(stream.Documents[1].RootNode.Start, "", "has more than one YAML document");
        if (stream.Documents.Count == 0) return null;
        switch (stream.Documents[0].RootNode)
        {
            case T root:
                return root;
            case YamlScalarNode { Value: null or "" or "~" or "null" }:
                return null;
            case var other:
                report.Error(other.Start, "", $"must be {expected}");
                return null;
        }
    }

    private static string Plain(YamlException e)
    {
        // YamlDotNet puts the position in front of some messages; the diagnostic has it already.
        var message = e.InnerException is ArgumentException inner ? inner.Message : e.Message;
        var end = message.IndexOf("): ", StringComparison.Ordinal);
        return message.StartsWith('(') && end > 0 ? message[(end + 3)..] : message;
    }
}
