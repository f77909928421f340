using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Tests.Policies;

/// <summary>The state machine, told as little stories on a clock of seconds.</summary>
public sealed class AlertRulesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 5, 12, 0, 0, TimeSpan.Zero);

    /// <summary>
    /// Words: "t+" a number of seconds and what is seen then: hold (of x), hold:y (of y), clear (no element, with data), none (no data),
    /// broken, tick. The result is each transition of x as "second:status".
    /// </summary>
    [Theory]
    [InlineData("fires at once without a for", 0, 0, "keep", "0 hold", "0:Firing")]
    [InlineData("is pending first with a for", 60, 0, "keep", "0 hold", "0:Pending")]
    [InlineData("does not fire just before the for is over", 60, 0, "keep", "0 hold, 59 hold", "0:Pending")]
    [InlineData("fires exactly when the for is over", 60, 0, "keep", "0 hold, 60 hold", "0:Pending 60:Firing")]
    [InlineData("fires by the clock alone between evaluations", 60, 0, "keep", "0 hold, 58 hold, 60 tick", "0:Pending 60:Firing")]
    [InlineData("does not fire by the clock a moment early", 60, 0, "keep", "0 hold, 58 hold, 59 tick", "0:Pending")]
    [InlineData("starts the clock again when the breach pauses", 60, 0, "keep", "0 hold, 30 clear, 31 hold, 90 hold, 91 hold", "0:Pending 30:Inactive 31:Pending 91:Firing")]
    [InlineData("resolves when it ceases", 0, 0, "keep", "0 hold, 5 clear", "0:Firing 5:Resolved")]
    [InlineData("fires anew after it was resolved", 0, 0, "keep", "0 hold, 5 clear, 6 hold", "0:Firing 5:Resolved 6:Firing")]
    [InlineData("goes on firing for keep_firing_for", 0, 60, "keep", "0 hold, 5 clear, 64 clear", "0:Firing")]
    [InlineData("resolves exactly when keep_firing_for is over", 0, 60, "keep", "0 hold, 5 clear, 65 clear", "0:Firing 65:Resolved")]
    [InlineData("resolves by the clock alone when keep_firing_for is over", 0, 60, "keep", "0 hold, 5 clear, 64 clear, 65 tick", "0:Firing 65:Resolved")]
    [InlineData("forgets keep_firing_for when the breach comes back", 0, 60, "keep", "0 hold, 5 clear, 60 hold, 61 clear, 100 clear", "0:Firing")]
    [InlineData("stays firing while there is no data", 0, 0, "keep", "0 hold, 5 none, 600 none", "0:Firing")]
    [InlineData("resolves once data is back and good", 0, 0, "keep", "0 hold, 5 none, 600 clear", "0:Firing 600:Resolved")]
    [InlineData("stays firing while the watch is broken", 0, 0, "keep", "0 hold, 5 broken, 600 broken", "0:Firing")]
    [InlineData("is not told again when the watch is back", 0, 0, "keep", "0 hold, 5 broken, 600 hold", "0:Firing")]
    [InlineData("cannot fire while there is no data", 60, 0, "keep", "0 hold, 5 none, 60 none, 61 tick", "0:Pending")]
    [InlineData("cannot fire while the watch is broken", 60, 0, "keep", "0 hold, 5 broken, 60 broken, 61 tick", "0:Pending")]
    [InlineData("cannot fire while the watch is silent", 60, 0, "keep", "0 hold, 60 tick", "0:Pending")]
    [InlineData("keeps its clock through a gap", 60, 0, "keep", "0 hold, 5 none, 70 hold", "0:Pending 70:Firing")]
    [InlineData("keeps its clock through silence", 60, 0, "keep", "0 hold, 70 tick, 80 hold", "0:Pending 80:Firing")]
    [InlineData("starts the clock again after a gap longer than an hour", 60, 0, "keep", "0 hold, 5 none, 3601 hold, 3660 hold, 3661 hold", "0:Pending 3661:Firing")]
    [InlineData("as in Prometheus resolves without data when told to", 0, 0, "ok", "0 hold, 5 none", "0:Firing 5:Resolved")]
    [InlineData("stays firing without data also when that is an alert itself", 0, 0, "alert", "0 hold, 5 none, 100 none", "0:Firing")]
    [InlineData("is not disturbed by another label set", 60, 0, "keep", "0 hold, 30 hold:y, 31 hold, 90 hold:y", "0:Pending 30:Inactive 31:Pending 90:Inactive")]
    [InlineData("keeps its clock when the wall clock is set back", 60, 0, "keep", "0 hold, 30 hold, -3570 hold, -3541 hold, -3540 hold", "0:Pending -3540:Firing")]
    [InlineData("fires by the clock alone after it was set back", 60, 0, "keep", "0 hold, 58 hold, -3542 tick, -3541 tick, -3540 tick", "0:Pending -3540:Firing")]
    [InlineData("fires and resolves as ever after the clock was set back", 0, 0, "keep", "0 clear, -3600 hold, -3590 hold, -3580 clear", "-3600:Firing -3580:Resolved")]
    [InlineData("does not flap because the clock was set back", 0, 0, "keep", "0 hold, -3600 hold, -3599 tick, -3598 hold, -3590 hold", "0:Firing")]
    [InlineData("goes on with keep_firing_for when the clock is set back", 0, 60, "keep", "0 hold, 5 clear, 35 clear, -3565 clear, -3536 clear, -3535 clear", "0:Firing -3535:Resolved")]
    public void Alert_Story_ChangesAsTold(string story, int hold, int keep, string noData, string events, string expected)
    {
        var machine = new Machine(hold, keep, Enum.Parse<NoDataPolicy>(noData, ignoreCase: true));

        foreach (var happening in events.Split(", ")) machine.Happen(happening);

        Assert.True(expected == machine.Told("x"), $"an alert {story}: expected {expected}, but it went {machine.Told("x")}");
    }

    [Fact]
    public void Sight_ClockSetBack_SilenceIsNoticedAllTheSame()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        machine.Happen("0 clear");
        machine.Happen("-3600 tick");
        Assert.Equal(Sight.Clear, machine.Book.Sight);
        machine.Happen("-3500 tick");
        Assert.Equal(Sight.Unknown, machine.Book.Sight);
    }

    [Fact]
    public void Sight_EachKindOfNotKnowing_IsAStateOfItsOwn()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        Assert.Equal(Sight.Unknown, machine.Book.Sight);
        machine.Happen("0 clear");
        Assert.Equal(Sight.Clear, machine.Book.Sight);
        machine.Happen("1 none");
        Assert.Equal((Sight.NoData, "the expression found no series"), (machine.Book.Sight, machine.Book.SightReason));
        machine.Happen("2 broken");
        Assert.Equal((Sight.Unknown, "the stream broke"), (machine.Book.Sight, machine.Book.SightReason));
        machine.Happen("3 clear");
        Assert.Equal(Sight.Clear, machine.Book.Sight);
        machine.Happen("6 tick");
        Assert.Equal(Sight.Clear, machine.Book.Sight);
        machine.Happen("7 tick");
        Assert.Equal((Sight.Unknown, "nothing heard from Metrics for 4s"), (machine.Book.Sight, machine.Book.SightReason));
    }

    [Fact]
    public void NoDataAlert_AfterItsFor_FiresWithItsOwnLabel()
    {
        var machine = new Machine(60, 0, NoDataPolicy.Alert);
        foreach (var e in new[] { "0 none", "59 none", "60 none", "61 clear" }) machine.Happen(e);

        var transitions = machine.Transitions;
        Assert.Equal([AlertStatus.Pending, AlertStatus.Firing, AlertStatus.Resolved], transitions.Select(t => t.Alert.Status));
        Assert.Equal("true", transitions[0].Alert.Labels["no_data"]);
        Assert.Equal(Start.AddSeconds(60), transitions[1].At);
    }

    [Fact]
    public void Resolved_IsRememberedForFifteenMinutesAndNoLonger()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        foreach (var e in new[] { "0 hold", "10 clear", "910 clear" }) machine.Happen(e);
        Assert.Equal(AlertStatus.Resolved, Assert.Single(machine.Book.Alerts.Values).Status);
        machine.Happen("911 clear");
        Assert.Empty(machine.Book.Alerts);
    }

    [Fact]
    public void Observe_OlderEvaluation_IsNotTaken()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        machine.Happen("10 clear");
        var step = machine.Rules.Observe(machine.Book, new Evaluation(Start.AddSeconds(9), [Machine.Sample("x")], 1), Start.AddSeconds(11));
        Assert.Same(machine.Book, step.Book);
    }

    [Fact]
    public void Observe_MoreAlertsThanTheLimit_IsUnknownAndKeepsWhatFires()
    {
        var policy = Machine.Policy(0, 0, NoDataPolicy.Keep);
        var rules = new AlertRules(policy, maxAlerts: 2, TimeSpan.FromSeconds(3));
        var two = rules.Observe(AlertBook.Empty, new Evaluation(Start, [Machine.Sample("x"), Machine.Sample("y")], 2), Start);
        Assert.Equal(2, two.Transitions.Count);

        var three = rules.Observe(two.Book, new Evaluation(Start, [Machine.Sample("x"), Machine.Sample("y"), Machine.Sample("z")], 3), Start.AddSeconds(1));

        Assert.Equal(Sight.Unknown, three.Book.Sight);
        Assert.Contains("the limit is 2", three.Book.SightReason, StringComparison.Ordinal);
        Assert.Equal(2, three.Book.Alerts.Values.Count(a => a.Status == AlertStatus.Firing));
    }

    [Fact]
    public void Observe_LabelsThatBecomeTheSame_IsUnknownWithTheReason()
    {
        var policy = Machine.Policy(0, 0, NoDataPolicy.Keep) with { Labels = new Dictionary<string, string> { ["id"] = "same" } };
        var rules = new AlertRules(policy, 100, TimeSpan.FromSeconds(3));
        var step = rules.Observe(AlertBook.Empty, new Evaluation(Start, [Machine.Sample("x"), Machine.Sample("y")], 2), Start);
        Assert.Equal(Sight.Unknown, step.Book.Sight);
        Assert.Contains("same labels", step.Book.SightReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_OfPolicy_AreExpandedAndMetricNameDropped()
    {
        var policy = Machine.Policy(0, 0, NoDataPolicy.Keep) with { Labels = new Dictionary<string, string> { ["who"] = "{{ $labels.id }}-{{ $value }}" } };
        var rules = new AlertRules(policy, 100, TimeSpan.FromSeconds(3));
        var alert = Assert.Single(rules.Observe(AlertBook.Empty, new Evaluation(Start, [Machine.Sample("x")], 1), Start).Book.Alerts.Values);
        Assert.Equal("{alertname=\"A\", id=\"x\", who=\"x-1\"}", alert.Labels.ToString());
    }

    [Fact]
    public void End_ChangedPolicy_ResolvesWhatFiresWithTheReason()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        machine.Happen("0 hold");
        var step = machine.Rules.End(machine.Book, Start.AddSeconds(5), "changed");
        var transition = Assert.Single(step.Transitions);
        Assert.Equal((AlertStatus.Resolved, "changed"), (transition.Alert.Status, transition.Reason));
        Assert.Empty(step.Book.Alerts);
    }

    [Fact]
    public void NextTick_Pending_IsTheMomentItsForIsOver()
    {
        var machine = new Machine(2, 0, NoDataPolicy.Keep);
        machine.Happen("0 hold");
        Assert.Equal(Start.AddSeconds(2), machine.Rules.NextTick(machine.Book));
    }

    [Fact]
    public void Observe_NothingAmissWhereNothingWas_StoresNothing()
    {
        var machine = new Machine(0, 0, NoDataPolicy.Keep);
        machine.Happen("0 clear");
        Assert.False(machine.Rules.Observe(machine.Book, new Evaluation(Start.AddSeconds(1), [], 1), Start.AddSeconds(1)).MustStore);
    }

    private sealed class Machine(int hold, int keep, NoDataPolicy noData)
    {
        public AlertRules Rules { get; } = new(Policy(hold, keep, noData), 100, TimeSpan.FromSeconds(3));

        public AlertBook Book { get; private set; } = AlertBook.Empty;

        public List<Transition> Transitions { get; } = [];

        public static PolicyDefinition Policy(int hold, int keep, NoDataPolicy noData) => new()
        {
            Key = "f:g/A",
            File = "f",
            Group = "g",
            Alert = "A",
            Expr = "up == 0",
            For = TimeSpan.FromSeconds(hold),
            KeepFiringFor = TimeSpan.FromSeconds(keep),
            NoData = noData,
        };

        public static EvaluationSample Sample(string id) => new(AlertLabels.From([new("__name__", "up"), new("id", id)]), 1);

        public void Happen(string happening)
        {
            var words = happening.Split(' ');
            var now = Start.AddSeconds(int.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture));
            var step = words[1] switch
            {
                "hold" => Rules.Observe(Book, new Evaluation(now, [Sample("x")], 1), now),
                "hold:y" => Rules.Observe(Book, new Evaluation(now, [Sample("y")], 1), now),
                "clear" => Rules.Observe(Book, new Evaluation(now, [], 1), now),
                "none" => Rules.Observe(Book, new Evaluation(now, [], 0), now),
                "broken" => Rules.Observe(Book, Evaluation.Unknown(now, "the stream broke"), now),
                "tick" => Rules.Tick(Book, now),
                var word => throw new ArgumentException(word),
            };
            Book = step.Book;
            Transitions.AddRange(step.Transitions);
        }

        public string Told(string id) => string.Join(' ', Transitions.Where(t => t.Alert.Labels.GetValueOrDefault("id") == id)
            .Select(t => $"{(t.At - Start).TotalSeconds}:{t.Alert.Status}"));
    }
}
