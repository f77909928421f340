using Dapper;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class MigratorTests
{
    private static readonly Migration First = Both(1, "first", "CREATE TABLE a (x INTEGER)");
    private static readonly Migration Second = Both(2, "second", "CREATE TABLE b (x INTEGER); INSERT INTO b VALUES (7)");

    public static TheoryData<string> Kinds => TestDatabase.Kinds;

    private static Migration Both(int version, string name, string sql) => new(version, name, sql, sql);

    [Theory, MemberData(nameof(Kinds))]
    public async Task Migrate_Again_AppliesOnlyWhatIsNew(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);

        await test.MigrateAsync(First);
        await test.MigrateAsync(First, Second);
        await test.MigrateAsync(First, Second);

        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(7, await connection.ExecuteScalarAsync<long>("SELECT x FROM b"));
        Assert.Equal(2, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM schema_version"));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Migrate_EditedMigration_IsRefusedByName(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(First);

        var e = await Assert.ThrowsAsync<StorageException>(() => test.MigrateAsync(Both(1, "first", "CREATE TABLE a (x INTEGER, y INTEGER)")));

        Assert.Contains("migration 1 'first' of test was changed", e.Message);
    }

    [Fact]
    public async Task Migrate_OtherLineEndings_AreTheSameMigration()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Both(1, "first", "CREATE TABLE a (\nx INTEGER)"));

        await test.MigrateAsync(Both(1, "first", "CREATE TABLE a (\r\nx INTEGER)"));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Migrate_DatabaseOfANewerProgram_IsRefused(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(First, Second);

        var e = await Assert.ThrowsAsync<StorageException>(() => test.MigrateAsync(First));

        Assert.Contains("written by a newer program", e.Message);
        Assert.Contains("version 2 ('second')", e.Message);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Migrate_SecondFails_NothingIsKept(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);

        var e = await Assert.ThrowsAsync<StorageException>(() => test.MigrateAsync(First, Both(2, "bad", "CREATE TABLE c (x INTEGER); INSERT INTO nowhere VALUES (1)")));
        Assert.Contains("migration 2 'bad' of test failed", e.Message);

        await test.MigrateAsync(First, Second);
        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(7, await connection.ExecuteScalarAsync<long>("SELECT x FROM b"));
    }

    [FactNeeds("postgres")]
    public async Task Migrate_SeveralProcessesAtOnce_TakeTurns()
    {
        var shared = await PostgresServer.NewDatabaseAsync();
        var databases = Enumerable.Range(0, 4).Select(_ => new PostgresDatabase(shared, "vigil_probe", "tests")).ToArray();

        await Task.WhenAll(databases.Select(d => Task.Run(() => TestDatabase.MigrateAsync(d, First, Second)))).DefaultTimeout();

        await using var connection = await databases[0].OpenAsync();
        Assert.Equal(1, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM b"));
        foreach (var database in databases) await database.DisposeAsync();
    }

    [Fact]
    public void AddMigrations_Gap_IsRefused() =>
        Assert.Throws<ArgumentException>(() => new Microsoft.Extensions.DependencyInjection.ServiceCollection().AddMigrations("test", [First, Both(3, "third", "")]));
}
