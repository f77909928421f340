using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Reminders;

namespace Orleans.Runtime;

/// <summary>Starts and stops the silo with its host. Reminders tick only once the whole host has started.</summary>
internal sealed class SiloService(Silo silo, IHostApplicationLifetime lifetime) : IHostedService
{
    private readonly ReminderService? reminders = silo.ServiceProvider.GetService<ReminderService>();
    private CancellationTokenRegistration onStarted;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        silo.Start();
        if (reminders is null) return;
        await reminders.LoadAsync(cancellationToken).ConfigureAwait(false);
        onStarted = lifetime.ApplicationStarted.Register(reminders.Start);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        onStarted.Unregister();
        if (reminders is not null) await reminders.StopAsync(cancellationToken).ConfigureAwait(false);
        await silo.StopAsync(cancellationToken).ConfigureAwait(false);
    }
}
