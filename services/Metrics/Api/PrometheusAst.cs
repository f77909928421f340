using System.Text.Json;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>An expression's tree as <c>/api/v1/parse_query</c> answers it: the form that Prometheus' own page and editors read.</summary>
internal static class PrometheusAst
{
    public static void Write(Utf8JsonWriter json, Expr? expr)
    {
        if (expr is null)
        {
            json.WriteNullValue();
            return;
        }
        json.WriteStartObject();
        switch (expr)
        {
            case NumberLiteral number:
                Type("numberLiteral");
                json.WriteString("val", GoText.Float(number.Value));
                break;
            case StringLiteral text:
                Type("stringLiteral");
                json.WriteString("val", text.Value);
                break;
            case ParenExpr paren:
                Type("parenExpr");
                Child("expr", paren.Inner);
                break;
            case UnaryExpr unary:
                Type("unaryExpr");
                json.WriteString("op", unary.Negative ? "-" : "+");
                Child("expr", unary.Operand);
                break;
            case BinaryExpr binary:
                Type("binaryExpr");
                json.WriteString("op", binary.Operator.Symbol());
                Child("lhs", binary.Left);
                Child("rhs", binary.Right);
                json.WriteBoolean("bool", binary.ReturnBool);
                WriteMatching(json, binary.Matching);
                break;
            case AggregateExpr aggregate:
                Type("aggregation");
                json.WriteString("op", aggregate.Operator.Symbol());
                Child("expr", aggregate.Operand);
                Child("param", aggregate.Parameter);
                json.WritePropertyName("grouping");
                PrometheusJson.WriteTexts(json, aggregate.Grouping);
                json.WriteBoolean("without", aggregate.Without);
                break;
            case CallExpr call:
                Type("call");
                WriteFunction(json, call.Function);
                json.WriteStartArray("args");
                foreach (var argument in call.Arguments) Write(json, argument);
                json.WriteEndArray();
                break;
            case VectorSelector selector:
                Type("vectorSelector");
                WriteSelector(json, selector);
                break;
            case MatrixSelector matrix:
                Type("matrixSelector");
                json.WriteNumber("range", matrix.RangeMs);
                Child("rangeExpr", matrix.RangeExpr);
                if (matrix.Calendar is { } calendar) json.WriteString("calendar", calendar.ToString());
                WriteSelector(json, matrix.Vector);
                break;
            case SubqueryExpr subquery:
                Type("subquery");
                Child("expr", subquery.Inner);
                json.WriteNumber("range", subquery.RangeMs);
                Child("rangeExpr", subquery.RangeExpr);
                if (subquery.Calendar is { } unit) json.WriteString("calendar", unit.ToString());
                json.WriteNumber("step", subquery.StepMs ?? 0);
                Child("stepExpr", subquery.StepExpr);
                WriteModifiers(json, subquery.OffsetMs, subquery.OffsetExpr, subquery.At);
                break;
            case DurationExpr duration:
                Type("durationExpr");
                json.WriteString("op", duration.Operator.Symbol());
                Child("lhs", duration.Left);
                Child("rhs", duration.Right);
                json.WriteBoolean("wrapped", duration.Wrapped);
                break;
        }
        json.WriteEndObject();

        void Type(string type) => json.WriteString("type", type);

        void Child(string name, Expr? child)
        {
            json.WritePropertyName(name);
            Write(json, child);
        }
    }

    private static void WriteMatching(Utf8JsonWriter json, VectorMatching? matching)
    {
        if (matching is null)
        {
            json.WriteNull("matching");
            return;
        }
        json.WriteStartObject("matching");
        json.WriteString("card", matching.Cardinality switch
        {
            MatchCardinality.OneToOne => "one-to-one",
            MatchCardinality.ManyToOne => "many-to-one",
            MatchCardinality.OneToMany => "one-to-many",
            _ => "many-to-many",
        });
        json.WritePropertyName("labels");
        PrometheusJson.WriteTexts(json, matching.Labels);
        json.WriteBoolean("on", matching.On);
        json.WritePropertyName("include");
        PrometheusJson.WriteTexts(json, matching.Include);
        json.WriteStartObject("fillValues");
        WriteNumber("lhs", matching.FillLeft);
        WriteNumber("rhs", matching.FillRight);
        json.WriteEndObject();
        json.WriteEndObject();

        void WriteNumber(string name, double? value)
        {
            if (value is { } number && double.IsFinite(number)) json.WriteNumber(name, number);
            else json.WriteNull(name);
        }
    }

    private static void WriteFunction(Utf8JsonWriter json, FunctionSignature function)
    {
        json.WriteStartObject("func");
        json.WriteString("name", function.Name);
        json.WritePropertyName("argTypes");
        PrometheusJson.WriteTexts(json, function.Arguments.Select(Name));
        json.WriteNumber("variadic", function.Variadic);
        json.WriteString("returnType", Name(function.Returns));
        json.WriteEndObject();
    }

    private static void WriteSelector(Utf8JsonWriter json, VectorSelector selector)
    {
        json.WriteString("name", selector.Name ?? "");
        json.WriteStartArray("matchers");
        foreach (var matcher in selector.Matchers)
        {
            json.WriteStartObject();
            json.WriteString("name", matcher.Name);
            json.WriteString("value", matcher.Value);
            json.WriteString("type", matcher.Kind switch
            {
                MatchKind.Equal => "=",
                MatchKind.NotEqual => "!=",
                MatchKind.Regex => "=~",
                _ => "!~",
            });
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteModifiers(json, selector.OffsetMs, selector.OffsetExpr, selector.At);
        json.WriteBoolean("anchored", selector.Boundary == Boundary.Anchored);
        json.WriteBoolean("smoothed", selector.Boundary == Boundary.Smoothed);
    }

    private static void WriteModifiers(Utf8JsonWriter json, long offsetMs, DurationExpr? offset, AtModifier? at)
    {
        json.WriteNumber("offset", offsetMs);
        json.WritePropertyName("offsetExpr");
        Write(json, offset);
        if (at is { Anchor: AtAnchor.Time }) json.WriteNumber("timestamp", at.TimeMs);
        else json.WriteNull("timestamp");
        if (at is { Anchor: not AtAnchor.Time }) json.WriteString("startOrEnd", at.Anchor == AtAnchor.Start ? "start" : "end");
        else json.WriteNull("startOrEnd");
    }

    /// <summary>Types by the names that Prometheus gives them in JSON.</summary>
    private static string Name(ExprType type) => type switch
    {
        ExprType.InstantVector => "vector",
        ExprType.RangeVector => "matrix",
        _ => type.Documented(),
    };
}
