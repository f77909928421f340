using System.Data.Common;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Grains;

/// <summary>
/// What a grain tells its callers where the database fails: that it cannot work for the moment, and no more of the cause than they may
/// know. The log has the rest. The database's own exceptions would reach callers in other processes as unknown ones.
/// </summary>
internal static class StorageFailure
{
    /// <summary>Does what needs the database.</summary>
    /// <param name="work">The work.</param>
    /// <param name="what">What cannot be done without, for the message: "the list of services".</param>
    /// <param name="instruments">Count it, by cause.</param>
    /// <param name="log">Gets the cause.</param>
    /// <exception cref="ServiceUnavailableException">The database failed.</exception>
    public static async Task<T> GuardAsync<T>(Task<T> work, string what, MetricsInstruments instruments, ILogger log)
    {
        try
        {
            return await work;
        }
        catch (InvalidDataException e)
        {
            instruments.StorageFailed(damaged: true);
            MetricsLog.StorageFailed(log, what, e);
            throw new ServiceUnavailableException($"{what} cannot be had from the database, since what is stored is damaged: the log says where; restore it from a backup");
        }
        catch (Exception e) when (e is StorageException or DbException)
        {
            instruments.StorageFailed(damaged: false);
            MetricsLog.StorageFailed(log, what, e);
            var since = e is StorageException { Brief: { } brief } ? $", since {brief}" : "";
            throw new ServiceUnavailableException($"{what} cannot be had from the database{since}: the log says why; try again later");
        }
    }
}
