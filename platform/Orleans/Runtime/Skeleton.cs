using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime;
using Orleans.Storage;
using Orleans.Timers;

namespace Orleans.Runtime
{
    internal sealed class Activation : IGrainContext
    {
        public static Activation? Current => null;
        public Silo Silo => throw new NotSupportedException();
        public GrainId GrainId => default;
        public bool IsGone => false;
        public object? GrainInstance => null;
        public GrainReference GrainReference => throw new NotSupportedException();
        public IServiceProvider ActivationServices => throw new NotSupportedException();
        public Task Deactivated => throw new NotSupportedException();
        public void SetComponent<TComponent>(TComponent? value) where TComponent : class { }
        public TComponent? GetComponent<TComponent>() where TComponent : class => null;
        public void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default) { }
        public bool Equals(IGrainContext? other) => ReferenceEquals(this, other);
        public void DelayDeactivation(TimeSpan time) { }
        public void EnterReentrantSection(Guid id) { }
        public void LeaveReentrantSection(Guid id) { }
        public IGrainTimer RegisterTimer<TState>(Func<TState, CancellationToken, Task> callback, TState state, GrainTimerCreationOptions options) => throw new NotSupportedException();
    }

    internal sealed class Catalog
    {
        public Activation GetOrAdd(GrainId id) => throw new NotSupportedException(id.ToString());
    }

    internal sealed class Silo(IServiceProvider services, IServiceCollection registered) : IClusterClient
    {
        public IServiceCollection Registered => registered;
        public IServiceProvider ServiceProvider => services;
        public string Identity => "silo";
        public Catalog Catalog { get; } = new();
        public GrainReference Reference(Type type, GrainId id) => throw new NotSupportedException();
        public T GetGrain<T>(Guid primaryKey, string? grainClassNamePrefix = null) where T : IGrainWithGuidKey => throw new NotSupportedException();
        public T GetGrain<T>(long primaryKey, string? grainClassNamePrefix = null) where T : IGrainWithIntegerKey => throw new NotSupportedException();
        public T GetGrain<T>(string primaryKey, string? grainClassNamePrefix = null) where T : IGrainWithStringKey => throw new NotSupportedException();
        public T GetGrain<T>(Guid primaryKey, string keyExtension, string? grainClassNamePrefix = null) where T : IGrainWithGuidCompoundKey => throw new NotSupportedException();
        public T GetGrain<T>(long primaryKey, string keyExtension, string? grainClassNamePrefix = null) where T : IGrainWithIntegerCompoundKey => throw new NotSupportedException();
        public IGrain GetGrain(Type grainInterfaceType, Guid grainPrimaryKey) => throw new NotSupportedException();
        public IGrain GetGrain(Type grainInterfaceType, long grainPrimaryKey) => throw new NotSupportedException();
        public IGrain GetGrain(Type grainInterfaceType, string grainPrimaryKey) => throw new NotSupportedException();
        public T GetGrain<T>(GrainId grainId) where T : IAddressable => throw new NotSupportedException();
        public IAddressable GetGrain(GrainId grainId) => throw new NotSupportedException();
    }

    internal sealed class SiloService : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

namespace Orleans.Storage
{
    internal static class GrainStorage { public const string DefaultName = "Default"; }

    internal sealed class MemoryGrainStorage : IGrainStorage
    {
        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
        public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
    }

    internal static class AdoNetGrainStorage { public static IGrainStorage Create(IServiceProvider services, string name) => throw new NotSupportedException(name); }
}

namespace Orleans.Reminders
{
    internal interface IReminderTable;
    internal sealed class MemoryReminderTable : IReminderTable;
    internal sealed class AdoNetReminderTable : IReminderTable;

    internal sealed class ReminderService : IReminderRegistry
    {
        public Task<IGrainReminder> RegisterOrUpdateReminder(GrainId callingGrainId, string reminderName, TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();
        public Task UnregisterReminder(GrainId callingGrainId, IGrainReminder reminder) => throw new NotSupportedException();
        public Task<IGrainReminder?> GetReminder(GrainId callingGrainId, string reminderName) => throw new NotSupportedException();
        public Task<List<IGrainReminder>> GetReminders(GrainId callingGrainId) => throw new NotSupportedException();
    }
}
