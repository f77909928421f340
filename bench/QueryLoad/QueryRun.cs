using Vigil.RemoteWriteLoad;

namespace Vigil.QueryLoad;

/// <summary>Asks all receivers the same range queries, by turns.</summary>
internal static class QueryRun
{
    private const double Tolerance = 1e-9;

    // Not counted: until the runtime has compiled what is busy.
    private const int WarmRounds = 3;

    public static async Task RunAsync(IReadOnlyList<string> names, Shape shape, int rounds, TimeSpan settle, string? only)
    {
        var receivers = new List<Receiver>();
        try
        {
            foreach (var name in names) receivers.Add(await Receiver.StartAsync(name));
            var workload = new Workload(shape);
            Console.WriteLine($"{workload.Series:N0} series of {Workload.Metrics.Count} metrics, {shape.Steps:N0} samples each, every {shape.StepMs / 1000} s; each query reads those of one metric, over the whole time");
            await Loading.SendAsync(receivers, workload);
            await Loading.SettleAsync(receivers, settle);
            Console.WriteLine($"{"",-78}{"step",6}{"",20}{"p50 ms",9}{"p99 ms",9}{"CPU ms",9}");
            foreach (var question in Question.All.Where(q => only is null || q.Expression.Contains(only, StringComparison.Ordinal))) await AskAsync(receivers, question, shape, rounds);
        }
        finally
        {
            foreach (var receiver in receivers) await receiver.DisposeAsync();
        }
    }

    private static async Task AskAsync(List<Receiver> receivers, Question question, Shape shape, int rounds)
    {
        var clients = receivers.ConvertAll(r => new Client(r));
        try
        {
            var remark = await CompareAsync(receivers, clients, question, shape);
            for (var round = 0; round < WarmRounds; round++)
            {
                foreach (var client in clients) await client.TimeAsync(question, shape);
            }
            var times = receivers.ConvertAll(_ => new List<TimeSpan>());
            var cpu = new double[receivers.Count];
            for (var round = 0; round < rounds; round++)
            {
                for (var i = 0; i < clients.Count; i++)
                {
                    var before = receivers[i].CpuSeconds;
                    times[i].Add(await clients[i].TimeAsync(question, shape));
                    cpu[i] += receivers[i].CpuSeconds - before;
                }
            }
            for (var i = 0; i < clients.Count; i++)
            {
                var sorted = times[i].Order().ToArray();
                Console.WriteLine($"{(i == 0 ? question.Expression : i == 1 ? remark : ""),-78}{question.StepSeconds,6}  {receivers[i].Name,-18}{Percentile(sorted, 0.5),9:N0}{Percentile(sorted, 0.99),9:N0}{cpu[i] / rounds * 1000,9:N0}");
            }
        }
        finally
        {
            foreach (var client in clients) client.Dispose();
        }
    }

    // The round that is not counted: the answers must be those of the first receiver. VictoriaMetrics has a rate of its own.
    private static async Task<string> CompareAsync(List<Receiver> receivers, List<Client> clients, Question question, Shape shape)
    {
        var first = await clients[0].AnswerAsync(question, shape);
        for (var i = 1; i < clients.Count; i++)
        {
            var other = await clients[i].AnswerAsync(question, shape);
            if (receivers[i].Name == "victoria-metrics") continue;
            var differs = first.Keys.Union(other.Keys).Where(s => !first.TryGetValue(s, out var a) || !other.TryGetValue(s, out var b) || !Same(a, b)).ToArray();
            if (first.Count == 0 || differs.Length > 0)
                throw new InvalidOperationException($"{receivers[0].Name} and {receivers[i].Name} do not agree about {question.Expression}: {differs.Length} of {first.Count} series, as {differs.FirstOrDefault()}");
        }
        return $"  {first.Count:N0} series, {first.Values.Sum(v => v.Length / 2):N0} values";
    }

    private static bool Same(double[] a, double[] b)
    {
        if (a.Length != b.Length) return false;
        for (var i = 0; i < a.Length; i++)
        {
            if (Math.Abs(a[i] - b[i]) > Tolerance * Math.Max(Math.Abs(a[i]), Math.Abs(b[i]))) return false;
        }
        return true;
    }

    private static double Percentile(TimeSpan[] sorted, double share) => sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))].TotalMilliseconds;
}
