using System.Globalization;

namespace Vigil.PageLatency;

/// <summary>What the program is asked to do.</summary>
internal sealed record Options(int Flips, int WarmUp, int PrometheusFlips, bool KeepData)
{
    public const string Usage = """
        Flips a series across a policy's threshold and measures how long the page takes.

          --flips N              flips in Vigil (1000)
          --warm-up N            flips before those that count (50)
          --prometheus-flips N   flips in Prometheus and Alertmanager at 1 s settings (60; 0: leave them out)
          --keep-data            leave the services' data and logs behind, and say where
        """;

    /// <exception cref="FormatException">An argument is unknown or no number.</exception>
    public static Options Parse(string[] args)
    {
        var options = new Options(1000, 50, 60, false);
        for (var i = 0; i < args.Length; i++)
        {
            options = args[i] switch
            {
                "--flips" => options with { Flips = Number(args, ++i, 1) },
                "--warm-up" => options with { WarmUp = Number(args, ++i, 0) },
                "--prometheus-flips" => options with { PrometheusFlips = Number(args, ++i, 0) },
                "--keep-data" => options with { KeepData = true },
                _ => throw new FormatException($"unknown argument {args[i]}"),
            };
        }
        return options;
    }

    private static int Number(string[] args, int at, int min) =>
        at < args.Length && int.TryParse(args[at], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min
            ? number
            : throw new FormatException($"{args[at - 1]} takes a whole number from {min}");
}
