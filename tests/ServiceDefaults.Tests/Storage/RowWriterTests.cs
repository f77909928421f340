using System.Data.Common;
using Dapper;
using Microsoft.Data.Sqlite;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

/// <summary><see cref="IDatabase.WriteRowsAsync"/> on both databases.</summary>
public sealed class RowWriterTests
{
    private const string Insert = "INSERT INTO things (id, n, b) VALUES ($1, $2, $3)";

    private static readonly Migration Things = new(1, "things",
        "CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER NOT NULL, b BLOB NOT NULL)",
        "CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL, b BYTEA NOT NULL)");

    public static TheoryData<string> Kinds => TestDatabase.Kinds;

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteRows_AllKindsOfValues_AreReadBackAsTheyWere(string kind)
    {
        await using var test = await CreateAsync(kind);
        byte[] large = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];
        (string Id, long N, ReadOnlyMemory<byte> B)[] rows =
        [
            ("", 0, ReadOnlyMemory<byte>.Empty), ("Grüße 🚀", long.MinValue, new byte[] { 0 }), (new string('x', 5_000), long.MaxValue, large), ("part", -1, large.AsMemory(300, 7)),
        ];
        // Twice, so that the statements are used again, the second time as updates.
        for (var round = 0; round < 2; round++)
        {
            await test.Database.WriteRowsAsync(rows, static (writer, rows) =>
            {
                foreach (var (id, n, b) in rows)
                {
                    writer.Begin("DELETE FROM things WHERE id = $1").Bind(id).Run();
                    writer.Begin(Insert).Bind(id).Bind(n).Bind(b).Run();
                }
            });
        }
        await using var connection = await test.Database.OpenAsync();
        var found = (await connection.QueryAsync<(string Id, long N, byte[] B)>("SELECT id, n, b FROM things")).ToDictionary(r => r.Id);
        Assert.Equal(rows.Length, found.Count);
        Assert.All(rows, row => Assert.Equal((row.N, Convert.ToHexString(row.B.Span)), (found[row.Id].N, Convert.ToHexString(found[row.Id].B))));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteRows_ARowIsRefused_NoneIsWrittenAndTheNextWriteWorks(string kind)
    {
        await using var test = await CreateAsync(kind);
        await Assert.ThrowsAnyAsync<DbException>(() => WriteAsync(test, "a", "b", "a"));
        Assert.Empty(await IdsAsync(test));
        await WriteAsync(test, "c");
        Assert.Equal(["c"], await IdsAsync(test));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteRows_TheCallerThrows_NoneIsWrittenAndTheNextWriteWorks(string kind)
    {
        await using var test = await CreateAsync(kind);
        await Assert.ThrowsAsync<InvalidDataException>(() => test.Database.WriteRowsAsync(0, static (rows, _) =>
        {
            rows.Begin(Insert).Bind("a").Bind(1).Bind(new byte[1]).Run();
            rows.Begin(Insert).Bind("b");
            throw new InvalidDataException("no");
        }).AsTask());
        Assert.Empty(await IdsAsync(test));
        await WriteAsync(test, "c");
        Assert.Equal(["c"], await IdsAsync(test));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task WriteRows_BesideOtherWrites_NoneIsLost(string kind)
    {
        await using var test = await CreateAsync(kind);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            if (i % 2 == 0) await WriteAsync(test, $"{i}");
            else await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("INSERT INTO things (id, n, b) VALUES (@id, 1, @b)", new { id = $"{i}", b = new byte[1] }, tx); });
        }))).DefaultTimeout();
        Assert.Equal(40, (await IdsAsync(test)).Count);
    }

    [Fact]
    public async Task Sqlite_WriteRowsToAFullDisk_SaysSo_AndWorksAgainWhenThereIsRoom()
    {
        await using var test = await CreateAsync("sqlite");
        await WriteAsync(test, "a");
        await PragmaAsync("max_page_count = 8");
        var e = await Assert.ThrowsAsync<StorageException>(() => test.Database.WriteRowsAsync(new byte[100_000], static (rows, b) => rows.Begin(Insert).Bind("b").Bind(1).Bind(b).Run()).AsTask());
        Assert.Equal("the database cannot grow: the disk is full", e.Brief);
        await PragmaAsync("max_page_count = 100000");
        await WriteAsync(test, "c");
        Assert.Equal(["a", "c"], await IdsAsync(test));

        async Task PragmaAsync(string pragma) => await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync($"PRAGMA {pragma}", transaction: tx); });
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(13)]
    public async Task Sqlite_WriteRowsFailsByTheFile_TheNextFindsItSound(int code)
    {
        await using var test = await CreateAsync("sqlite");
        await WriteAsync(test, "a");
        await Assert.ThrowsAsync<StorageException>(() => test.Database.WriteRowsAsync(code, static (rows, code) =>
        {
            rows.Begin(Insert).Bind("b").Bind(1).Bind(new byte[1]).Run();
            throw new SqliteException("as SQLite would say", code);
        }).AsTask());
        await WriteAsync(test, "c");
        Assert.Equal(["a", "c"], await IdsAsync(test));
    }

    [Fact]
    public async Task Sqlite_WriteRowsWhileAnotherProgramWrites_SaysSoAfterTheTimeout_AndWorksAgainAfterwards()
    {
        await using var test = await CreateAsync("sqlite");
        await ((IAsyncDisposable)test.Database).DisposeAsync();
        await using var database = new SqliteDatabase("probe", new StorageOptions { Directory = test.Folder, BusyTimeout = TimeSpan.FromMilliseconds(50) });
        await using var other = new SqliteConnection($"Data Source={database.Location};Pooling=False");
        await other.OpenAsync();
        await using (await database.OpenAsync()) await other.ExecuteAsync("BEGIN IMMEDIATE");

        var e = await Assert.ThrowsAsync<StorageException>(() => database.WriteRowsAsync(0, static (rows, _) => rows.Begin("DELETE FROM things").Run()).AsTask());
        Assert.Contains("locked by another program", e.Message);
        await other.ExecuteAsync("ROLLBACK");
        await database.WriteRowsAsync(0, static (rows, _) => rows.Begin("DELETE FROM things").Run()).DefaultTimeout();
    }

    [Fact]
    public async Task Sqlite_DisposedAfterWritingRows_HasClosedTheFile()
    {
        await using var test = await CreateAsync("sqlite");
        await WriteAsync(test, "a");
        await ((IAsyncDisposable)test.Database).DisposeAsync();
        // SQLite folds the log into the file when the last connection closes, which it cannot while a statement is open.
        Assert.False(File.Exists(test.Database.Location + "-wal"));
    }

    [Fact]
    public async Task Sqlite_WritingRowsAgainAndAgain_AllocatesNothingPerRow()
    {
        await using var test = await CreateAsync("sqlite");
        var data = new byte[1_000];
        Write();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) Write();
        // 1,000 rows. Compiled for debugging, the method's own state is an object.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4_000);

        void Write()
        {
            var written = test.Database.WriteRowsAsync(data, static (rows, data) =>
            {
                for (var n = 0; n < 50; n++) rows.Begin("INSERT INTO things (id, n, b) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET n = excluded.n").Bind("a").Bind(n).Bind(data).Run();
            });
            // Nobody else has the turn.
            Assert.True(written.IsCompletedSuccessfully);
        }
    }

    private static async Task<TestDatabase> CreateAsync(string kind)
    {
        var test = await TestDatabase.CreateAsync(kind);
        await test.MigrateAsync(Things);
        return test;
    }

    private static Task WriteAsync(TestDatabase test, params string[] ids) => test.Database.WriteRowsAsync(ids, static (rows, ids) =>
    {
        foreach (var id in ids) rows.Begin(Insert).Bind(id).Bind(1).Bind(new byte[1]).Run();
    }).AsTask();

    private static async Task<List<string>> IdsAsync(TestDatabase test)
    {
        await using var connection = await test.Database.OpenAsync();
        return (await connection.QueryAsync<string>("SELECT id FROM things ORDER BY id")).AsList();
    }
}
