using Vigil.Metrics.PromQL;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>What a Prometheus answers for the same patterns: matches, groups and, word for word, what is wrong.</summary>
public sealed class Re2Tests
{
    [Theory]
    [InlineData(".", "😀", true)]
    [InlineData("..", "😀", false)]
    [InlineData("[^a]", "😀", true)]
    [InlineData("[^a][^a]", "😀", false)]
    [InlineData("[^a]+[^a]+", "😀", false)]
    [InlineData("[^😀]", "😀", false)]
    [InlineData("[😀-😎]x", "😃x", true)]
    [InlineData("[a-😎]", "日", true)]
    [InlineData(@"\x{1F600}+", "😀😀", true)]
    [InlineData("😀{2}", "😀😀", true)]
    [InlineData(@"\PL", "😀", true)]
    [InlineData(@"\p{So}", "☀", true)]
    [InlineData(@"\p{^L}", "1", true)]
    [InlineData(@"\P{^L}", "1", false)]
    [InlineData(@"[\PL]", "é", false)]
    [InlineData(@"[^\PL]", "é", true)]
    [InlineData(@"\p{Han}+", "日本", true)]
    [InlineData(@"\p{Latin}+", "fóö", true)]
    [InlineData(@"\p{Latin}+", "日", false)]
    [InlineData(@"\p{Any}", "日", true)]
    [InlineData("[[:^alpha:]]", "1", true)]
    [InlineData("[[:^alpha:]]", "a", false)]
    [InlineData(@"[\d\D]", "é", true)]
    [InlineData(@"[^\W]", "é", false)]
    [InlineData(@"[\W]", "é", true)]
    [InlineData(@"\w", "é", false)]
    [InlineData(@"\s", "\v", false)]
    [InlineData("[[:space:]]", "\v", true)]
    [InlineData("(?i)k", "\u212A", true)]
    [InlineData("(?i)\u212A", "K", true)]
    [InlineData("(?i)[^k]", "K", false)]
    [InlineData("(?i)FÓÖ", "fóö", true)]
    [InlineData(@"(?i)\p{Lu}", "a", true)]
    [InlineData("(?i:a)b", "AB", false)]
    [InlineData("a(?i)b(?-i)c", "aBc", true)]
    [InlineData("((?i)a)a", "AA", false)]
    [InlineData("(?-s)a.b", "a\nb", false)]
    [InlineData("(?m)a$\n^b", "a\nb", true)]
    [InlineData("a$\nb", "a\nb", false)]
    [InlineData("a$", "a\n", false)]
    [InlineData("^^a$$", "a", true)]
    [InlineData("^*a", "a", true)]
    [InlineData("(?U)a+", "aa", true)]
    [InlineData("a{,2}", "a{,2}", true)]
    [InlineData("a{01}", "a{01}", true)]
    [InlineData("{", "{", true)]
    [InlineData("a||b", "", true)]
    [InlineData("(|a)*", "aa", true)]
    [InlineData(@"\12", "\n", true)]
    [InlineData(@"\0", "\0", true)]
    [InlineData(@"\_\-\#", "_-#", true)]
    [InlineData(@"\Qa(b", "a(b", true)]
    [InlineData(@"\Qab\E*", "abb", true)]
    [InlineData("[]a]+", "]a", true)]
    [InlineData("[^]a]", "b", true)]
    [InlineData("[a-]+", "a-", true)]
    [InlineData("[a-z-[b]]", "a]", true)]
    [InlineData("[a&&b]", "&", true)]
    [InlineData("a b#c", "a b#c", true)]
    [InlineData("(?P<1>a)", "a", true)]
    public void Pattern_OfRe2_MatchesAsInGo(string pattern, string text, bool matches) => Assert.Equal(matches, Re2.Compile(pattern).IsMatch(text));

    [Theory]
    [InlineData("(", "missing closing ): `(`")]
    [InlineData(")", "unexpected ): `)`")]
    [InlineData("a)(b", "unexpected ): `a)(b`")]
    [InlineData("(?i", "missing closing ): `(?i`")]
    [InlineData("(?=a)", "invalid or unsupported Perl syntax: `(?=`")]
    [InlineData("(?!a)", "invalid or unsupported Perl syntax: `(?!`")]
    [InlineData("(?>a)", "invalid or unsupported Perl syntax: `(?>`")]
    [InlineData("(?#a)", "invalid or unsupported Perl syntax: `(?#`")]
    [InlineData("(?x)a", "invalid or unsupported Perl syntax: `(?x`")]
    [InlineData("(?n)a", "invalid or unsupported Perl syntax: `(?n`")]
    [InlineData("(?'n'a)", "invalid or unsupported Perl syntax: `(?'`")]
    [InlineData("(?P=n)", "invalid or unsupported Perl syntax: `(?P`")]
    [InlineData("(?-)a", "invalid or unsupported Perl syntax: `(?-)`")]
    [InlineData("(?P<n", "invalid named capture: `(?P<n`")]
    [InlineData("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`")]
    [InlineData("a**", "invalid nested repetition operator: `**`")]
    [InlineData("a++", "invalid nested repetition operator: `++`")]
    [InlineData("a{2}{3}", "invalid nested repetition operator: `{2}{3}`")]
    [InlineData("*a", "missing argument to repetition operator: `*`")]
    [InlineData("a|+", "missing argument to repetition operator: `+`")]
    [InlineData("{1}", "missing argument to repetition operator: `{1}`")]
    [InlineData("a{1001}", "invalid repeat count: `{1001}`")]
    [InlineData("a{2,1}", "invalid repeat count: `{2,1}`")]
    [InlineData("(a{10}){101}", "invalid repeat count: `{101}`")]
    [InlineData("[a", "missing closing ]: `[a`")]
    [InlineData("x[]", "missing closing ]: `[]`")]
    [InlineData("[z-a]", "invalid character class range: `z-a`")]
    [InlineData("[[:foo:]]", "invalid character class range: `[:foo:]`")]
    [InlineData(@"\pX", @"invalid character class range: `\pX`")]
    [InlineData(@"\p{IsGreek}", @"invalid character class range: `\p{IsGreek}`")]
    [InlineData(@"(a)\1", @"invalid escape sequence: `\1`")]
    [InlineData(@"\Z", @"invalid escape sequence: `\Z`")]
    [InlineData(@"\e", @"invalid escape sequence: `\e`")]
    [InlineData(@"\é", @"invalid escape sequence: `\é`")]
    [InlineData(@"\xg1", @"invalid escape sequence: `\xg1`")]
    [InlineData(@"\x{110000}", @"invalid escape sequence: `\x{110000`")]
    [InlineData("a\\", "trailing backslash at end of expression: ``")]
    public void Pattern_NotOfRe2_IsRefusedInGosWords(string pattern, string message) =>
        Assert.Equal($"error parsing regexp: {message}", Assert.Throws<FormatException>(() => Re2.Compile(pattern)).Message);

    [Fact]
    public void Pattern_AtLimits_IsTakenAndBeyondRefused()
    {
        Assert.True(Re2.Compile($"{new string('(', 250)}a{new string(')', 250)}").IsMatch("a"));
        Assert.Throws<FormatException>(() => Re2.Compile($"{new string('(', 251)}a{new string(')', 251)}"));
        Assert.True(Re2.Compile("a{1000}").IsMatch(new string('a', 1000)));
        Assert.Equal("error parsing regexp: expression too large",
            Assert.Throws<FormatException>(() => Re2.Compile(string.Concat(Enumerable.Repeat("a{1000}", 2)))).Message.Split(": `")[0]);
        Assert.True(Re2.Compile("(a{10}){100}").IsMatch(new string('a', 1000)));
    }

    [Theory]
    [InlineData("(?P<x>a)(b)c", "$1$2$x", "aba")]
    [InlineData("(a)(?P<x>b)(c)", "$3$x$1", "cba")]
    [InlineData("(.*)", "$01|$1x|${1}x|$$1|$|$-|${1", "||abcx|$1|$|$-|${1")]
    [InlineData("(.*)", "$0|$9|$name|${}", "abc|||${}")]
    [InlineData("(?P<x>z)?(?P<x>.*)", "$x", "abc")]
    [InlineData("(?U)(.*)(.*)", "$1|$2", "|abc")]
    [InlineData("(.*?)(.*)", "$1|$2", "|abc")]
    [InlineData("(a|ab)(c|bcd)?.*", "$1|$2", "a|")]
    [InlineData("(?:(a)|(b)|(c))+", "$1$2$3", "abc")]
    public void Template_OfGroups_ExpandsAsInGo(string pattern, string template, string expanded) =>
        Assert.Equal(expanded, Re2.Compile(pattern).Expand(template, "abc"));

    [Fact]
    public void Template_WithoutMatch_IsNull() => Assert.Null(Re2.Compile("a(.*)").Expand("$1", "b"));
}
