using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace Orleans.Storage
{
    internal static class GrainStorage
    {
        public const string DefaultName = "Default";
    }
}

namespace Orleans.Runtime
{
    /// <summary>Stored state that is read when its activation comes.</summary>
    internal interface IActivationState
    {
        Task ReadStateAsync(CancellationToken cancellationToken);
    }

    /// <summary>One stored state of one activation.</summary>
    internal sealed class PersistentState<T>(IGrainStorage storage, string name, GrainId grainId) : IPersistentState<T>, IActivationState
    {
        private readonly GrainState<T> held = new(NewState());

        public T State
        {
            get => held.State!;
            set => held.State = value;
        }

        public string? Etag => held.ETag;

        public bool RecordExists => held.RecordExists;

        public Task ReadStateAsync() => ReadStateAsync(CancellationToken.None);

        public Task WriteStateAsync() => WriteStateAsync(CancellationToken.None);

        public Task ClearStateAsync() => ClearStateAsync(CancellationToken.None);

        public async Task ReadStateAsync(CancellationToken cancellationToken)
        {
            await storage.ReadStateAsync(name, grainId, held, cancellationToken);
            if (!held.RecordExists || held.State is null) held.State = NewState();
        }

        public Task WriteStateAsync(CancellationToken cancellationToken) => storage.WriteStateAsync(name, grainId, held, cancellationToken);

        public async Task ClearStateAsync(CancellationToken cancellationToken)
        {
            await storage.ClearStateAsync(name, grainId, held, cancellationToken);
            held.State = NewState();
        }

        // As with the official packages a state without a parameterless constructor starts out blank.
        private static T NewState()
        {
            if (typeof(T).IsValueType || typeof(T) == typeof(string) || typeof(T).IsArray || typeof(T).IsAbstract) return default!;
            return typeof(T).GetConstructor([]) is null ? (T)RuntimeHelpers.GetUninitializedObject(typeof(T)) : Activator.CreateInstance<T>();
        }
    }

    internal sealed partial class Silo
    {
        /// <summary>How a grain class's constructor gets one of its stored states.</summary>
        public Func<Activation, List<IActivationState>, object?> StateFactory(Type state, Type grainClass, PersistentStateAttribute named) =>
            (Func<Activation, List<IActivationState>, object?>)new Func<Type, PersistentStateAttribute, Func<Activation, List<IActivationState>, object?>>(StateFactory<object>)
                .Method.GetGenericMethodDefinition().MakeGenericMethod(state)
                .Invoke(this, System.Reflection.BindingFlags.DoNotWrapExceptions, null, [grainClass, named], null)!;

        private Func<Activation, List<IActivationState>, object?> StateFactory<T>(Type grainClass, PersistentStateAttribute named)
        {
            var storageName = named.StorageName ?? GrainStorage.DefaultName;
            var storage = ServiceProvider.GetKeyedService<IGrainStorage>(storageName)
                ?? throw new OrleansConfigurationException($"{grainClass} keeps state \"{named.StateName}\" in the storage \"{storageName}\", which the silo does not have");
            return (activation, states) =>
            {
                var made = new PersistentState<T>(storage, named.StateName, activation.GrainId);
                states.Add(made);
                return made;
            };
        }
    }
}
