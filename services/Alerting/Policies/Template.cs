using System.Text;

namespace Vigil.Alerting.Policies;

/// <summary>What a template may speak of.</summary>
/// <param name="Labels">The labels of the expression's result, without the policy's own.</param>
/// <param name="Value">Its value.</param>
/// <param name="ExternalUrl">Where this Alerting is reached by people.</param>
internal sealed record TemplateData(IReadOnlyDictionary<string, string> Labels, double Value, string ExternalUrl = "");

/// <summary>
/// Prometheus' alert templates (prometheus/docs/configuration/template_reference.md): Go's text/template with $labels, $value,
/// .Labels, .Value, pipelines, if, with, variables, comparisons, and Prometheus' functions. Not available are those that run
/// queries; a template that uses them loads, and says so in the text. A template never costs a page: what cannot be expanded
/// becomes a text that begins with "&lt;error expanding template".
/// </summary>
internal sealed class Template
{
    /// <summary>Characters of a text, and of any value on the way to it: variables could double it line by line.</summary>
    public const int MaxOutput = 16_384;

    private readonly IReadOnlyList<TemplateNode> nodes;

    private Template(IReadOnlyList<TemplateNode> nodes, string? error)
    {
        this.nodes = nodes;
        Error = error;
    }

    /// <summary>Why it is none; null when it is well-formed.</summary>
    public string? Error { get; }

    /// <summary>True when it is text only and expands to itself.</summary>
    public bool IsConstant => Error is null && nodes.All(n => n is TextNode);

    public static Template Parse(string text)
    {
        try
        {
            return new Template(TemplateParser.Parse(text), null);
        }
        catch (TemplateException e)
        {
            return new Template([], e.Message);
        }
    }

    public string Expand(TemplateData data)
    {
        if (Error is not null) return Failed(Error);
        var scope = new TemplateScope(data);
        var output = new StringBuilder();
        try
        {
            foreach (var node in nodes) node.Write(scope, output);
        }
        catch (TemplateException e)
        {
            return Failed(e.Message);
        }
        return output.Length <= MaxOutput ? output.ToString() : output.ToString(0, MaxOutput) + "...";
    }

    private static string Failed(string reason) => $"<error expanding template: {reason}>";
}

/// <summary>A template that is malformed, or cannot be expanded with what it was given.</summary>
internal sealed class TemplateException(string message) : Exception(message);

/// <summary>Names and the dot while a template is being expanded.</summary>
internal sealed class TemplateScope(TemplateData data)
{
    private static readonly Dictionary<string, string> NoLabels = [];
    private readonly Dictionary<string, object?> variables = new(StringComparer.Ordinal)
    {
        ["labels"] = data.Labels,
        ["value"] = data.Value,
        ["externalLabels"] = NoLabels,
        ["externalURL"] = data.ExternalUrl,
    };

    public object? Dot { get; set; } = data;

    public TemplateData Data => data;

    public object? Get(string name) =>
        name.Length == 0 ? data : variables.TryGetValue(name, out var value) ? value : throw new TemplateException($"undefined variable \"${name}\"");

    public void Set(string name, object? value) => variables[name] = value;

    /// <summary>A field of a value: a label, or one of the names of the template's data.</summary>
    public static object? Field(object? of, string name) => of switch
    {
        IReadOnlyDictionary<string, string> labels => labels.GetValueOrDefault(name, ""),
        TemplateData data => name switch
        {
            "Labels" => data.Labels,
            "Value" => data.Value,
            "ExternalLabels" => NoLabels,
            "ExternalURL" => data.ExternalUrl,
            _ => throw new TemplateException($"can't evaluate field {name}"),
        },
        _ => throw new TemplateException($"can't evaluate field {name} in a value that has no fields"),
    };

    /// <summary>Go's truth: not false, not zero, not empty.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null => false,
        bool b => b,
        double d => d != 0,
        long n => n != 0,
        string s => s.Length > 0,
        IReadOnlyDictionary<string, string> map => map.Count > 0,
        _ => true,
    };
}

internal abstract record TemplateNode
{
    public abstract void Write(TemplateScope scope, StringBuilder output);
}

internal sealed record TextNode(string Text) : TemplateNode
{
    public override void Write(TemplateScope scope, StringBuilder output) => output.Append(Text);
}

internal sealed record ActionNode(TemplatePipe Pipe) : TemplateNode
{
    public override void Write(TemplateScope scope, StringBuilder output)
    {
        // What comes after is cut off anyway.
        if (output.Length > Template.MaxOutput) return;
        var value = Pipe.Evaluate(scope);
        if (Pipe.Variable is null) output.Append(GoFormat.Value(value));
    }
}

internal sealed record IfNode(TemplatePipe Condition, IReadOnlyList<TemplateNode> Then, IReadOnlyList<TemplateNode> Else, bool SetsDot) : TemplateNode
{
    public override void Write(TemplateScope scope, StringBuilder output)
    {
        var value = Condition.Evaluate(scope);
        var isTrue = TemplateScope.IsTrue(value);
        var dot = scope.Dot;
        if (SetsDot && isTrue) scope.Dot = value;
        foreach (var node in isTrue ? Then : Else) node.Write(scope, output);
        scope.Dot = dot;
    }
}

internal sealed record RangeNode(TemplatePipe Over) : TemplateNode
{
    public override void Write(TemplateScope scope, StringBuilder output)
    {
        Over.Evaluate(scope);
        throw new TemplateException("range can't iterate here: there is nothing to range over without queries");
    }
}

/// <summary>Commands, each handing its result to the next as its last argument.</summary>
internal sealed record TemplatePipe(string? Variable, IReadOnlyList<IReadOnlyList<TemplateOperand>> Commands)
{
    private const int MaxArguments = 100;

    public object? Evaluate(TemplateScope scope)
    {
        object? result = null;
        for (var i = 0; i < Commands.Count; i++)
        {
            var command = Commands[i];
            if (command[0] is FunctionOperand function)
            {
                var args = command.Skip(1).Select(o => o.Evaluate(scope)).ToList();
                if (i > 0) args.Add(result);
                if (args.Count > MaxArguments) throw new TemplateException($"{function.Name} has {args.Count} arguments; at most {MaxArguments} are allowed");
                result = TemplateFunctions.Call(function.Name, args, scope);
                if (result is string { Length: > Template.MaxOutput } text) throw new TemplateException($"{function.Name} yields {text.Length:N0} characters; at most {Template.MaxOutput:N0} are allowed");
            }
            else if (command.Count > 1 || i > 0)
            {
                throw new TemplateException("can't give arguments to a value that is not a function");
            }
            else
            {
                result = command[0].Evaluate(scope);
            }
        }
        if (Variable is not null) scope.Set(Variable, result);
        return result;
    }
}

internal abstract record TemplateOperand
{
    public abstract object? Evaluate(TemplateScope scope);
}

internal sealed record LiteralOperand(object? Value) : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => Value;
}

internal sealed record DotOperand : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => scope.Dot;
}

internal sealed record VariableOperand(string Name) : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => scope.Get(Name);
}

internal sealed record FieldOperand(TemplateOperand Of, string Name) : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => TemplateScope.Field(Of.Evaluate(scope), Name);
}

internal sealed record PipeOperand(TemplatePipe Pipe) : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => Pipe.Evaluate(scope);
}

internal sealed record FunctionOperand(string Name) : TemplateOperand
{
    public override object? Evaluate(TemplateScope scope) => TemplateFunctions.Call(Name, [], scope);
}
