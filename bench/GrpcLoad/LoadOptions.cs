using System.Globalization;

namespace Vigil.GrpcLoad;

/// <summary>What a run does. The defaults take about half a minute.</summary>
public sealed record LoadOptions
{
    public const string Usage = """
        Measures gRPC (our server and our client) against a bare Kestrel HTTP/2 endpoint with a plain HttpClient, in one process.

          --rounds N        rounds, each measuring every side in turn (default 15)
          --seconds S       seconds per measurement (default 0.25)
          --warmup S        seconds at most until the runtime's compiler is done, before the first round (default 40)
          --concurrent N    unary calls at a time (default 64)
          --payload N       bytes of payload of a unary call (default 32)
          --chunk N         bytes of payload of a streamed message (default 65536)
          --ratio R         fail below this share of the bare endpoint (default 0.9; 0 reports only)
          --guard N         fail above this many bytes allocated per unary call, client and server together (default 5000)
          --only A|B        measure only 'unary' or 'stream'
          --side A,B        run only these sides: bare, bare+trailer, bare+array, gRPC, gRPC pooled
        """;

    public int Rounds { get; private init; } = 15;
    public double Seconds { get; private init; } = 0.25;
    public double Warmup { get; private init; } = 40;
    public int Concurrent { get; private init; } = 64;
    public int Payload { get; private init; } = 32;
    public int Chunk { get; private init; } = 64 * 1024;
    public double Ratio { get; private init; } = 0.9;
    public long Guard { get; private init; } = 5000;
    public string? Only { get; private init; }
    public string? Side { get; private init; }

    private static readonly string[] Sides = ["bare", "bare+trailer", "bare+array", "gRPC", "gRPC pooled"];

    /// <exception cref="FormatException">An option is unknown, or its value is not a number above zero.</exception>
    public static LoadOptions Parse(string[] args)
    {
        var options = new LoadOptions();
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new FormatException($"{args[i]} needs a value");
            options = args[i] switch
            {
                "--rounds" => options with { Rounds = (int)Number(value) },
                "--seconds" => options with { Seconds = Number(value) },
                "--warmup" => options with { Warmup = Number(value) },
                "--concurrent" => options with { Concurrent = (int)Number(value) },
                "--payload" => options with { Payload = (int)Number(value) },
                "--chunk" => options with { Chunk = (int)Number(value) },
                "--ratio" => options with { Ratio = Number(value, least: 0) },
                "--guard" => options with { Guard = (long)Number(value) },
                "--only" when value is "unary" or "stream" => options with { Only = value },
                "--side" when value.Split(',').All(s => Sides.Contains(s)) => options with { Side = value },
                _ => throw new FormatException($"unknown option: {args[i]} {value}"),
            };

            double Number(string text, double least = 0.01) =>
                double.TryParse(text, CultureInfo.InvariantCulture, out var number) && number >= least ? number : throw new FormatException($"{args[i]} {text}: not a number above zero");
        }
        return options;
    }
}
