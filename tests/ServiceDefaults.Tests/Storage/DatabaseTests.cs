using System.Data.Common;
using Dapper;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class DatabaseTests
{
    private static readonly Migration Counters = new(1, "counters",
        "CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL, b BLOB)",
        "CREATE TABLE counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL, b BYTEA)");

    public static TheoryData<string> Kinds => TestDatabase.Kinds;

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteAsync_Commits_ReadersSeeIt(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Counters);

        var sql = test.Database.Dialect.Upsert("counters", ["id"], ["n", "b"]);
        for (var i = 1; i <= 2; i++)
        {
            var n = i;
            await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync(sql, new { id = "a", n, b = new byte[] { 1, 2 } }, tx); });
        }

        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(2, await connection.ExecuteScalarAsync<long>("SELECT n FROM counters WHERE id = 'a'"));
        Assert.Equal(1, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM counters"));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteAsync_WorkThrows_RollsBack(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Counters);

        await Assert.ThrowsAsync<InvalidDataException>(async () => await test.Database.WriteAsync(async (tx, _) =>
        {
            await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1)", transaction: tx);
            throw new InvalidDataException("no");
        }));

        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(0, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM counters"));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task OpenAsync_Writing_IsRefusedByTheDatabase(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Counters);

        for (var i = 0; i < 2; i++) // the second time on a connection that comes back from the pool
        {
            await using var connection = await test.Database.OpenAsync();
            var e = await Assert.ThrowsAnyAsync<DbException>(() => connection.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1)"));
            Assert.Contains("read", e.Message, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteAsync_ManyAtOnce_NoneIsLostOrFails(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Counters);
        await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 0)", transaction: tx); });

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(async () =>
            await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("UPDATE counters SET n = n + 1 WHERE id = 'a'", transaction: tx); })))).DefaultTimeout();

        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(50, await connection.ExecuteScalarAsync<long>("SELECT n FROM counters"));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Dialect_InAndNullSafeEquals_RunOnBoth(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Counters);
        await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1), ('b', 2), ('c', 3)", transaction: tx); });

        await using var connection = await test.Database.OpenAsync();
        var dialect = test.Database.Dialect;
        Assert.Equal(["a", "c"], await connection.QueryAsync<string>($"SELECT id FROM counters WHERE {dialect.In("id", "ids")} ORDER BY id", new { ids = new[] { "a", "c" } }));
        Assert.Equal(3, await connection.ExecuteScalarAsync<long>($"SELECT count(*) FROM counters WHERE b {dialect.NullSafeEquals} NULL"));
    }

    [Fact]
    public async Task Sqlite_File_IsOwnerOnlyAndDurable()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Counters);

        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(test.Database.Location));
        await test.Database.WriteAsync(async (tx, _) =>
        {
            Assert.Equal(2, await tx.Connection!.ExecuteScalarAsync<long>("PRAGMA synchronous"));
            Assert.Equal("wal", await tx.Connection!.ExecuteScalarAsync<string>("PRAGMA journal_mode"));
            Assert.Equal(1, await tx.Connection!.ExecuteScalarAsync<long>("PRAGMA foreign_keys"));
        });
    }

    [Fact]
    public async Task Sqlite_SecondProcessOnTheSameFile_IsRefusedWithPathAndKey()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Counters);

        await using var second = new SqliteDatabase("probe", new StorageOptions { Directory = test.Folder });
        var e = await Assert.ThrowsAsync<StorageException>(() => TestDatabase.MigrateAsync(second, Counters));

        Assert.Contains(test.Database.Location, e.Message);
        Assert.Contains("Storage:Directory", e.Message);
        Assert.Contains("in use by another process", e.Message);
    }

    [Fact]
    public async Task Sqlite_DamagedFile_IsRefusedWithPathAndKey()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await File.WriteAllTextAsync(test.Database.Location, string.Concat(Enumerable.Repeat("this is no database ", 100)));

        var e = await Assert.ThrowsAsync<StorageException>(() => test.MigrateAsync(Counters));

        Assert.Contains(test.Database.Location, e.Message);
        Assert.Contains("damaged", e.Message);
        Assert.Contains("Storage:Directory", e.Message);
    }

    [Theory]
    [InlineData(8, true)]
    [InlineData(10, true)]
    [InlineData(11, true)]
    [InlineData(14, true)]
    [InlineData(26, true)]
    [InlineData(5, false)]
    [InlineData(13, false)]
    public async Task Sqlite_ErrorOfTheFileItself_IsFollowedByANewConnection(int code, bool anew)
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Counters);
        DbConnection? before = null, after = null;

        await Assert.ThrowsAsync<StorageException>(async () => await test.Database.WriteAsync((tx, _) =>
        {
            before = tx.Connection;
            throw new Microsoft.Data.Sqlite.SqliteException("as SQLite would say", code);
        }));
        await test.Database.WriteAsync(async (tx, _) =>
        {
            after = tx.Connection;
            await after!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1)", transaction: tx);
        });

        Assert.Equal(anew, !ReferenceEquals(before, after));
        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(1, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM counters"));
    }

    [Fact]
    public async Task Sqlite_DamagedFileReplacedByABackup_IsUsedWithoutARestart()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Counters);
        await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1)", transaction: tx); });
        var backup = test.Database.Location + ".backup";
        await using (var sound = await test.Database.OpenAsync())
        await using (var copy = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={backup};Pooling=False"))
        {
            ((Microsoft.Data.Sqlite.SqliteConnection)sound).BackupDatabase(copy);
        }
        foreach (var file in (string[])[test.Database.Location, test.Database.Location + "-wal"])
        {
            using var damaged = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            await damaged.WriteAsync(Enumerable.Repeat((byte)'x', (int)damaged.Length).ToArray());
        }

        await Assert.ThrowsAsync<StorageException>(async () => await test.Database.WriteAsync(async (tx, _) =>
        {
            await tx.Connection!.ExecuteAsync("PRAGMA cache_size = 0; PRAGMA shrink_memory", transaction: tx);
            await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('b', 1)", transaction: tx);
        }));
        foreach (var file in (string[])["", "-wal", "-shm"]) File.Delete(test.Database.Location + file);
        File.Move(backup, test.Database.Location);

        await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('c', 1)", transaction: tx); });
        await using var connection = await test.Database.OpenAsync();
        Assert.Equal(["a", "c"], await connection.QueryAsync<string>("SELECT id FROM counters ORDER BY id"));
    }

    [Fact]
    public async Task Sqlite_FolderCannotBeMade_IsRefusedWithPathAndKey()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        var blocked = Path.Combine(test.Folder, "file");
        await File.WriteAllTextAsync(blocked, "");

        await using var database = new SqliteDatabase("probe", new StorageOptions { Directory = Path.Combine(blocked, "data") });
        var e = await Assert.ThrowsAsync<StorageException>(() => TestDatabase.MigrateAsync(database, Counters));

        Assert.Contains(blocked, e.Message);
        Assert.Contains("Storage:Directory", e.Message);
    }

    [Fact]
    public async Task Sqlite_LockedByAnotherProgram_SaysSoAfterTheTimeout()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        await test.MigrateAsync(Counters);
        await ((IAsyncDisposable)test.Database).DisposeAsync();
        await using var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={test.Database.Location};Pooling=False");
        await other.OpenAsync();
        await other.ExecuteAsync("BEGIN EXCLUSIVE");

        await using var database = new SqliteDatabase("probe", new StorageOptions { Directory = test.Folder, BusyTimeout = TimeSpan.FromMilliseconds(50) });
        var e = await Assert.ThrowsAsync<StorageException>(() => TestDatabase.MigrateAsync(database, Counters)).DefaultTimeout();

        Assert.Contains("locked by another program", e.Message);
        Assert.Contains("Storage:BusyTimeout", e.Message);
    }

    [Fact]
    public async Task Postgres_NobodyListens_IsRefusedWithPlaceAndKey()
    {
        await using var database = new PostgresDatabase("Host=127.0.0.1;Port=1;Username=x;Password=secret;Database=d;Timeout=2", "vigil_probe", "tests");

        var e = await Assert.ThrowsAsync<StorageException>(async () => await database.OpenAsync());

        Assert.Contains("ConnectionStrings:postgres", e.Message);
        Assert.Contains("127.0.0.1:1/d", e.Message);
        Assert.DoesNotContain("secret", e.Message);
    }

    [FactNeeds("postgres")]
    public async Task Postgres_TwoServicesInOneDatabase_DoNotSeeEachOther()
    {
        var shared = await PostgresServer.NewDatabaseAsync();
        await using var one = new PostgresDatabase(shared, "vigil_one", "one");
        await using var two = new PostgresDatabase(shared, "vigil_two", "two");
        await TestDatabase.MigrateAsync(one, Counters);
        await TestDatabase.MigrateAsync(two, Counters);

        await one.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO counters (id, n) VALUES ('a', 1)", transaction: tx); });

        await using var connection = await two.OpenAsync();
        Assert.Equal(0, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM counters"));
    }
}
