using Vigil.Metrics.PromQL;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

public sealed class ParserTests
{
    [Theory]
    [InlineData("1 + 2 * 3", "1 + 2 * 3")]
    [InlineData("-1 ^ 2", "-1 ^ 2")]
    [InlineData("0x1F", "31")]
    [InlineData("0755", "493")]
    [InlineData("1_000.5e3", "1000500")]
    [InlineData("iNf", "+Inf")]
    [InlineData("-NaN", "NaN")]
    [InlineData("1h30m", "1h30m")]
    [InlineData("90m", "1h30m")]
    [InlineData("'it'", "\"it\"")]
    [InlineData(@"""a\tb\u00e9\x41\""""", "\"a\\tbéA\\\"\"")]
    [InlineData("`raw\\n`", "\"raw\\\\n\"")]
    [InlineData("foo{b='1',a!=\"2\",}", "foo{a!=\"2\",b=\"1\"}")]
    [InlineData("{__name__=~\"a.*\"}", "{__name__=~\"a.*\"}")]
    [InlineData("{\"my metric\",'my label'=\"x\"}", "{\"my label\"=\"x\",__name__=\"my metric\"}")]
    [InlineData("sum", "sum")]
    [InlineData("offset offset 5m", "offset offset 5m")]
    [InlineData("fill + fill", "fill + fill")]
    [InlineData("job:up:rate5m[5m]", "job:up:rate5m[5m]")]
    [InlineData("foo[300]", "foo[5m]")]
    [InlineData("foo offset -1w", "foo offset -1w")]
    [InlineData("foo @ 10.5 offset 5m", "foo @ 10.500 offset 5m")]
    [InlineData("foo offset 5m @ start()", "foo @ start() offset 5m")]
    [InlineData("rate(foo[5m] @ end())", "rate(foo[5m] @ end())")]
    [InlineData("max_over_time(rate(foo[5m])[1h:30s] offset 1d)", "max_over_time(rate(foo[5m])[1h:30s] offset 1d)")]
    [InlineData("foo[1h:]", "foo[1h:]")]
    [InlineData("sum(foo) by (a,b,)", "sum by (a, b) (foo)")]
    [InlineData("SUM BY (on) (foo)", "sum by (on) (foo)")]
    [InlineData("sum without () (foo)", "sum without () (foo)")]
    [InlineData("topk by (a) (3, foo)", "topk by (a) (3, foo)")]
    [InlineData("count_values('v', foo)", "count_values(\"v\", foo)")]
    [InlineData("a * on(x) group_left(y) b", "a * on (x) group_left (y) b")]
    [InlineData("a / ignoring(x) group_right b", "a / ignoring (x) group_right () b")]
    [InlineData("a > bool 1", "a > bool 1")]
    [InlineData("a and on() b or c unless d", "a and on () b or c unless d")]
    [InlineData("a == bool b", "a == bool b")]
    [InlineData("2 ^ 3 ^ 2", "2 ^ 3 ^ 2")]
    [InlineData("+foo", "+foo")]
    [InlineData("-(1)", "-(1)")]
    [InlineData("a atan2 b", "a atan2 b")]
    [InlineData("foo # comment\n + bar", "foo + bar")]
    [InlineData("label_replace(up, 'a', '$1', 'b', '(.*)')", "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")")]
    [InlineData("time()", "time()")]
    [InlineData("sum by (\"my label\") (foo)", "sum by (\"my label\") (foo)")]
    [InlineData("foo[5m*2]", "foo[5m * 2]")]
    [InlineData("foo[ step() ]", "foo[step()]")]
    [InlineData("foo[MAX_OF(step(),5m) : min_of(range(), 60)]", "foo[max_of(step(), 5m):min_of(range(), 60)]")]
    [InlineData("foo[(5m + 1) ^ 2]", "foo[(5m + 1) ^ 2]")]
    [InlineData("foo[2 ^ 3 ^ 2]", "foo[2 ^ 3 ^ 2]")]
    [InlineData("foo[-(-5m)]", "foo[-(-5m)]")]
    [InlineData("foo[--5m]", "foo[5m]")]
    [InlineData("foo offset -5m + bar", "foo offset -5m + bar")]
    [InlineData("foo offset -2^2", "foo offset -2s ^ 2")]
    [InlineData("foo offset (5m) / bar", "foo offset (5m) / bar")]
    [InlineData("foo offset (5m) / 2", "foo offset (5m) / 2")]
    [InlineData("foo offset -(1h / 2) + bar", "foo offset -(1h / 2) + bar")]
    [InlineData("foo offset step() + bar", "foo offset step() + bar")]
    [InlineData("foo offset (1m) * 2", "foo offset (1m) * 2")]
    [InlineData("foo offset -(1m) * 2", "foo offset -(1m) * 2")]
    [InlineData("foo offset -step()", "foo offset -step()")]
    [InlineData("foo offset -max_of(1m, step() * 2)", "foo offset -max_of(1m, step() * 2)")]
    [InlineData("foo[5m] offset (1m) @ 7 smoothed", "foo[5m] smoothed @ 7.000 offset (1m)")]
    [InlineData("foo anchored @ start()", "foo @ start() anchored")]
    [InlineData("foo smoothed offset 1m", "foo smoothed offset 1m")]
    [InlineData("a + fill(0) b", "a + fill (0) b")]
    [InlineData("a > bool on(x) group_left() fill_right(-1.5) b", "a > bool on (x) group_left () fill_right (-1.5) b")]
    [InlineData("a + fill_right(1) fill_left(2) b", "a + fill_left (2) fill_right (1) b")]
    [InlineData("a + fill_left(5m) b", "a + fill_left (300) b")]
    [InlineData("info(foo, {a=~\".*\"})", "info(foo, {a=~\".*\"})")]
    [InlineData("step + range + max_of", "step + range + max_of")]
    [InlineData("a </ 1 >/ -2", "a </ 1 >/ -2")]
    public void Format_OfParsed_IsCanonicalAndParsesAlike(string text, string canonical)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        Assert.Equal(canonical, Formatter.Format(expr));
        Assert.True(PromQlParser.TryParse(canonical, out var again, out error), error?.ToString());
        Assert.Equal(TreeText.Of(expr), TreeText.Of(again));
    }

    [Theory]
    [InlineData("", "1:1: parse error: no expression found in input")]
    [InlineData("1 +", "1:4: parse error: unexpected end of input")]
    [InlineData("(1", "1:3: parse error: unclosed left parenthesis")]
    [InlineData("1)", "1:3: parse error: unexpected right parenthesis ')'")]
    [InlineData("*1", "1:1: parse error: unexpected <op:*>")]
    [InlineData("1 !~ 1", "1:3: parse error: unexpected character after '!': '~'")]
    [InlineData("foo{", "1:5: parse error: unexpected end of input inside braces")]
    [InlineData("foo}", "1:4: parse error: unexpected character: '}'")]
    [InlineData("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string")]
    [InlineData("foo{gibberish}", "1:14: parse error: unexpected \"}\" in label matching, expected label matching operator")]
    [InlineData("foo{a=\"x\",,}", "1:11: parse error: unexpected \",\" in label matching, expected identifier or \"}\"")]
    [InlineData("foo{1}", "1:5: parse error: unexpected character inside braces: '1'")]
    [InlineData("foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"")]
    [InlineData("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher")]
    [InlineData("{x=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher")]
    [InlineData("foo[", "1:5: parse error: unexpected end of input in duration expression")]
    [InlineData("foo[5m", "1:7: parse error: unclosed left bracket")]
    [InlineData("foo[]", "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()")]
    [InlineData("foo[0m]", "1:5: parse error: duration must be greater than 0")]
    [InlineData("foo[5m] offset 1h offset 1h", "1:1: parse error: offset may not be set multiple times")]
    [InlineData("foo offset 5m[5m]", "1:14: parse error: no offset modifiers allowed before range")]
    [InlineData("(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors")]
    [InlineData("1 offset 1d", "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery")]
    [InlineData("foo @", "1:6: parse error: unexpected end of input in @, expected timestamp")]
    [InlineData("foo @ +Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf")]
    [InlineData("floor()", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 0")]
    [InlineData("floor(1)", "1:7: parse error: expected type instant vector in call to function \"floor\", got scalar")]
    [InlineData("rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector")]
    [InlineData("hour(foo, bar)", "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2")]
    [InlineData("non_existent(foo)", "1:1: parse error: unknown function with name \"non_existent\"")]
    [InlineData("sum(foo,)", "1:8: parse error: trailing commas not allowed in function call args")]
    [InlineData("topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1")]
    [InlineData("sum by (==) (foo)", "1:9: parse error: unexpected <op:==> in grouping opts, expected label")]
    [InlineData("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier")]
    [InlineData("1 and 2", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression")]
    [InlineData("foo and on(a) group_left(b) bar", "1:1: parse error: no grouping allowed for \"and\" operation")]
    [InlineData("a + on(x) group_left(x) b", "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once")]
    [InlineData("a + on(x) 1", "1:1: parse error: vector matching only allowed between instant vectors")]
    [InlineData("-\"text\"", "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"")]
    [InlineData("foo\n + {", "2:5: parse error: unexpected end of input inside braces")]
    [InlineData("\"a\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'")]
    [InlineData("sum(foo) smoothed", "1:1: parse error: smoothed modifier not implemented")]
    [InlineData("foo[5m:1m] anchored", "1:1: parse error: anchored modifier is not supported for subqueries")]
    [InlineData("foo[5m] anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together")]
    [InlineData("foo smoothed anchored", "1:1: parse error: anchored and smoothed modifiers cannot be used together")]
    [InlineData("foo + fill(0) 1", "1:1: parse error: filling in missing series only allowed between instant vectors")]
    [InlineData("foo and fill(0) bar", "1:1: parse error: filling in missing series not allowed for set operators")]
    [InlineData("foo + fill(bar) baz", "1:12: parse error: unexpected identifier \"bar\"")]
    [InlineData("foo + fill_left(0) on(a) bar", "1:20: parse error: unexpected <on>")]
    [InlineData("foo[5m / 0]", "1:8: parse error: division by zero")]
    [InlineData("foo[5m % 0]", "1:8: parse error: modulo by zero")]
    [InlineData("foo[-5m]", "1:5: parse error: duration must be greater than 0")]
    [InlineData("foo[0]", "1:5: parse error: duration must be greater than 0")]
    [InlineData("foo[:5m]", "1:5: parse error: unexpected colon before duration in duration expression")]
    [InlineData("foo[bar]", "1:5: parse error: unexpected character in duration expression: 'b'")]
    [InlineData("foo[5m bar]", "1:8: parse error: unexpected character: 'b', expected ':'")]
    [InlineData("foo[1000000000000]", "1:5: parse error: duration out of range")]
    [InlineData("foo[step(]", "1:10: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()")]
    [InlineData("foo[step)]", "1:10: parse error: unexpected right parenthesis ')'")]
    [InlineData("foo[step]", "1:9: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()")]
    [InlineData("foo[5m +]", "1:9: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()")]
    [InlineData("foo[5m:1m *]", "1:12: parse error: unexpected \"]\" in subquery selector, expected number, duration, step(), range(), or \"]\"")]
    [InlineData("foo offset -bar", "1:13: parse error: unexpected identifier \"bar\" in offset, expected number, duration, step(), or range()")]
    [InlineData("foo offset step", "1:16: parse error: unexpected end of input in offset, expected number, duration, step(), or range()")]
    [InlineData("foo offset 5m offset (1m)", "1:1: parse error: offset may not be set multiple times")]
    [InlineData("foo offset (5m)[1m]", "1:16: parse error: no offset modifiers allowed before range")]
    [InlineData("info(foo, bar)", "1:11: parse error: expected label selectors only, got vector selector instead")]
    [InlineData("info(foo, sum(bar))", "1:11: parse error: expected label selectors only")]
    [InlineData("info(foo, 1)", "1:1: parse error: expected type instant vector in call to function \"info\", got scalar")]
    [InlineData("info()", "1:1: parse error: expected at least 1 argument(s) in call to \"info\", got 0")]
    [InlineData("info(1)", "1:6: parse error: expected type instant vector in call to function \"info\", got scalar")]
    [InlineData("5m3h", "1:1: parse error: not a valid duration string: \"5m3h\"")]
    [InlineData("999999y", "1:1: parse error: duration out of range")]
    [InlineData("{x==1}", "1:4: parse error: unexpected \"=\" in label matching, expected string")]
    [InlineData("a + on(b) group_left(c d", "1:24: parse error: unexpected identifier \"d\" in grouping opts, expected \",\" or \")\"")]
    [InlineData("sum by ()", "1:10: parse error: unexpected end of input in aggregation")]
    [InlineData("sum by (a) by (b) (c)", "1:12: parse error: unexpected <by> in aggregation")]
    [InlineData("sum(1 +)", "1:8: parse error: unexpected \")\" in aggregation")]
    [InlineData("-sum(abs(a b))", "1:12: parse error: unexpected identifier \"b\" in aggregation")]
    [InlineData("sum(a) b", "1:8: parse error: unexpected identifier \"b\"")]
    [InlineData("sum(a{b=})", "1:9: parse error: unexpected \"}\" in label matching, expected string")]
    [InlineData("abs(a,,b)", "1:6: parse error: trailing commas not allowed in function call args")]
    [InlineData("abs(,a)", "1:5: parse error: unexpected \",\"")]
    [InlineData("foo(1", "1:6: parse error: unclosed left parenthesis")]
    [InlineData("foo(bar(1))", "1:5: parse error: unknown function with name \"bar\"")]
    [InlineData("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators")]
    [InlineData("{x=\"\\x4\"}", "1:4: parse error: illegal character U+0022 '\"' in escape sequence")]
    [InlineData("\"\\u12\n\"", "1:1: parse error: illegal character U+000A in escape sequence")]
    [InlineData("\"\\x4", "1:1: parse error: escape sequence not terminated")]
    [InlineData("\"\\400\"", "1:1: parse error: escape sequence is an invalid Unicode code point")]
    [InlineData("\"\\ud800\"", "1:1: parse error: escape sequence is an invalid Unicode code point")]
    [InlineData("\"\\\u20AC\"", "1:1: parse error: unknown escape sequence U+20AC '\u20AC'")]
    [InlineData("a \\ b", "1:3: parse error: unexpected character: '\\\\'")]
    [InlineData("a !", "1:3: parse error: unexpected character after '!': '\uFFFD'")]
    [InlineData("\u00a01", "1:1: parse error: unexpected character: '\\u00a0'")]
    [InlineData("a\0", "1:2: parse error: unexpected character: '\\x00'")]
    [InlineData("\uD83D\uDE00", "1:1: parse error: unexpected character: '\uD83D\uDE00'")]
    [InlineData("\"\u00E9\" + foo(", "1:12: parse error: unclosed left parenthesis")]
    [InlineData("1\n+ \"\uD83D\uDE00\" )", "2:11: parse error: unexpected right parenthesis ')'")]
    [InlineData("1e400", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range")]
    [InlineData("1a", "1:1: parse error: bad number or duration syntax: \"1\"")]
    [InlineData("5mm", "1:1: parse error: bad number or duration syntax: \"5mm\"")]
    [InlineData("1e+", "1:1: parse error: bad number or duration syntax: \"1e+\"")]
    [InlineData("1__0", "1:1: parse error: bad number or duration syntax: \"1__\"")]
    [InlineData("0xg", "1:1: parse error: bad number or duration syntax: \"0x\"")]
    public void Parse_OfBadText_SaysWhereAndWhy(string text, string message)
    {
        Assert.False(PromQlParser.TryParse(text, out _, out var error));
        Assert.Equal(message, error.ToString());
    }

    [Theory]
    [InlineData("sum(a)by(b)", "sum by (b) (a)")]
    [InlineData("sum by (job, instance) (rate(LONG[5m])) / on (job) group_left (team) sum by (job) (rate(LONG[5m] offset 1h)) > bool 5",
        "    sum by (job, instance) (\n      rate(LONG[5m])\n    )\n  / on (job) group_left (team)\n    sum by (job) (\n      rate(\n        LONG[5m] offset 1h\n      )\n    )\n> bool\n  5")]
    [InlineData("topk(5, LONG + LONG @ start())", "topk(\n  5,\n    LONG\n  +\n    LONG @ start()\n)")]
    [InlineData("-(sum(LONG) + LONG)", "-(\n    sum(LONG)\n  +\n    LONG\n)")]
    [InlineData("max_over_time((LONG + LONG)[1h:1m] offset 5m)", "max_over_time(\n  (\n      LONG\n    +\n      LONG\n  )[1h:1m] offset 5m\n)")]
    public void Pretty_OfLongExpression_IsSpreadOverLines(string text, string pretty)
    {
        const string Selector = "a_rather_long_metric_name_total{environment=\"production\",instance=~\"web-.+\",stage=\"x\"}";
        Assert.True(PromQlParser.TryParse(text.Replace("LONG", Selector, StringComparison.Ordinal), out var expr, out var error), error?.ToString());
        Assert.Equal(pretty, PrettyFormatter.Format(expr).Replace(Selector, "LONG", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("foo(", "1:4: parse error: unexpected \"(\"")]
    [InlineData("foo[5m]", "1:4: parse error: unexpected \"[\"")]
    [InlineData("foo offset 5m", "1:5: parse error: unexpected <offset>")]
    [InlineData("foo + bar", "1:5: parse error: unexpected <op:+>")]
    [InlineData("sum(foo)", "1:4: parse error: unexpected \"(\"")]
    [InlineData("\"foo\"", "1:1: parse error: unexpected string \"\\\"foo\\\"\"")]
    [InlineData("", "1:1: parse error: unexpected end of input")]
    [InlineData("1", "1:1: parse error: unexpected number \"1\"")]
    public void Selector_OfOtherText_SaysWhereAndWhy(string text, string message)
    {
        Assert.False(PromQlParser.TryParseSelector(text, out _, out var error));
        Assert.Equal(message, error.ToString());
    }

    [Theory]
    [InlineData("{}", "{}")]
    [InlineData("sum{a=\"b\"}", "sum{a=\"b\"}")]
    [InlineData("{\"a.b\",c=~\"d\"}", "{__name__=\"a.b\",c=~\"d\"}")]
    public void Selector_Alone_IsTaken(string text, string canonical)
    {
        Assert.True(PromQlParser.TryParseSelector(text, out var selector, out var error), error?.ToString());
        Assert.Equal(canonical, Formatter.Format(selector));
    }

    [Theory]
    [InlineData("(", ")", 249)]
    [InlineData("abs(", ")", 248)]
    [InlineData("1+", "", 248)]
    [InlineData("-foo^", "", 0)]
    public void Parse_AtDepthLimit_IsTakenAndBeyondRefused(string open, string close, int levels)
    {
        if (levels == 0)
        {
            Assert.False(PromQlParser.TryParse(string.Concat(Enumerable.Repeat(open, 5000)) + "1", out _, out _));
            return;
        }
        string Nested(int n) => string.Concat(Enumerable.Repeat(open, n)) + "a" + string.Concat(Enumerable.Repeat(close, n));
        Assert.True(PromQlParser.TryParse(Nested(levels), out var expr, out var error), error?.ToString());
        Assert.True(expr.Depth <= PromQlParser.MaxDepth);
        Assert.False(PromQlParser.TryParse(Nested(levels + 3), out _, out error));
        Assert.Contains("nests deeper than 250 levels", error.Message);
    }

    [Fact]
    public void Parse_BeyondLengthLimit_IsRefused()
    {
        Assert.True(PromQlParser.TryParse(new string(' ', PromQlParser.MaxLength - 1) + "1", out _, out _));
        Assert.False(PromQlParser.TryParse(new string(' ', PromQlParser.MaxLength) + "1", out _, out var error));
        Assert.Equal("expression is longer than 65536 characters", error.Message);
    }

    [Fact]
    public void Parse_OfRandomAndMutatedText_NeverThrowsAndRoundTrips()
    {
        var random = new Random(20260105);
        string[] pieces =
        [
            "foo", "bar:baz", "{a=\"b\"}", "{a=~\"x|y\",}", "[5m]", "[1h:5m]", "(", ")", "sum", " by (a) ", "rate(", "+", "-", "*", "/", "%", "^", "==", "!=",
            ">", "<=", " bool ", " and ", " or ", " unless ", " on(a) ", " ignoring(b) ", " group_left ", " offset 5m", " @ 10", " @ start()", "1", "2.5e-3",
            "0x1f", "Inf", "NaN", "5m", "\"text\"", "'x'", "`r`", ",", " ", "\n", "#c\n", "\\", "é", "\ud800", "[", "]", "{", "}", "=", "=~", "!", "@", ":", "topk(1,", "time()",
            "histogram_quantile(0.9, ", "label_replace(", "avg_over_time(", "\"\\x41\\u00e9\"", "_", "1_0", ".5", "5.",
            " anchored", " smoothed", "[step()]", "[5m * 2]", "[(1m + step()) / 2:min_of(1m, range())]", " offset (5m)", " offset -max_of(1m, 2m)", " fill(0) ", " fill_left(-1) ",
            " fill_right(1) ", "info(", " </ ", " >/ ", "step()", "max_of(", "start_timestamp(", "fill", "range",
        ];
        var parsed = 0;
        for (var i = 0; i < 60_000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)]));
            if (i % 4 == 0) text = Mutate(Seeds[random.Next(Seeds.Length)], random);
            if (!PromQlParser.TryParse(text, out var expr, out _)) continue;
            parsed++;
            var canonical = Formatter.Format(expr);
            Assert.True(PromQlParser.TryParse(canonical, out var again, out var error), $"{text}\n{canonical}\n{error}");
            Assert.True(TreeText.Of(expr) == TreeText.Of(again), $"{text}\n{canonical}");
            Assert.Equal(canonical, Formatter.Format(again));
        }
        Assert.True(parsed > 2_000, $"only {parsed} texts were PromQL");
    }

    private static readonly string[] Seeds =
    [
        "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.05",
        "histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m] offset 1w)))",
        "max_over_time(foo{a='b'}[1h:5m] @ end()) unless on (a) bar == bool 1",
        "label_replace(up{job=\"a\"}, \"x\", \"$1\", \"job\", \"(.*)\") * on(x) group_left(y) info",
        "-foo ^ 2 + {\"my metric\", __type__!=\"x\"} % 3",
        "rate(foo[max_of(5m, step() * 2)] anchored offset -(1m + 2m ^ 2)) + on(a) fill_left(0) fill_right(1) bar smoothed",
        "max_over_time((foo </ 5)[range() / 2:(step())] @ start() offset step()) - info(foo, {a=~\".*\"})",
    ];

    private static string Mutate(string text, Random random)
    {
        var chars = text.ToList();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(chars.Count);
            switch (random.Next(3))
            {
                case 0: chars.RemoveAt(at); break;
                case 1: chars.Insert(at, (char)random.Next(32, 127)); break;
                default: chars[at] = chars[random.Next(chars.Count)]; break;
            }
        }
        return new string([.. chars]);
    }
}
