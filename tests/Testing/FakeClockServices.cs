using Microsoft.Extensions.DependencyInjection;

namespace Vigil.Testing;

/// <summary>How a host gets a clock that a test moves.</summary>
public static class FakeClockServices
{
    // The areas of a real silo that have a clock of their own (Orleans.Runtime.TimeProviderNames). They upkeep the silo and mix their clock with the
    // machine's, so that a clock that stands still, or jumps, stops them. Grains, their timers and reminders keep to the clock given here.
    private static readonly string[] Upkeep = ["Orleans.ActivationManagement", "Orleans.GrainDirectory", "Orleans.Membership", "Orleans.Messaging", "Orleans.SystemTimers"];

    public static IServiceCollection AddFakeClock(this IServiceCollection services, TimeProvider clock)
    {
        foreach (var area in Upkeep) services.AddKeyedSingleton(area, TimeProvider.System);
        return services.AddSingleton(clock);
    }
}
