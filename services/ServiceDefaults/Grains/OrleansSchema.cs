namespace Vigil.ServiceDefaults;

internal static class OrleansSchema
{
    // The bundled silo makes its own tables.
    public static readonly IReadOnlyList<Migration> Migrations = [];
}
