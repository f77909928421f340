using System.Data.Common;
using Dapper;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class AuditLogTests
{
    public static TheoryData<string> Kinds => TestDatabase.Kinds;

    [Theory, MemberData(nameof(Kinds))]
    public async Task Record_ThenQuery_NewestFirstWithPaging(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        var (log, clock) = await CreateAsync(test);
        for (var i = 1; i <= 5; i++)
        {
            await log.RecordAsync(i % 2 == 0 ? "alice" : "bob", "alert.acknowledge", $"alert-{i}", new { note = "n" + i });
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        var first = await log.QueryAsync(new AuditQuery { Limit = 2 });
        var second = await log.QueryAsync(new AuditQuery { Limit = 3, Before = first.Next });

        Assert.Equal([5L, 4L], first.Records.Select(r => r.Sequence));
        Assert.Equal(4, first.Next);
        Assert.Equal([3L, 2L, 1L], second.Records.Select(r => r.Sequence));
        Assert.Null(second.Next);
        Assert.Equal("{\"note\":\"n5\"}", first.Records[0].Detail);
        Assert.Equal(["alert-4", "alert-2"], (await log.QueryAsync(new AuditQuery { Actor = "alice" })).Records.Select(r => r.Target));
        var start = new FakeClock().GetUtcNow();
        Assert.Equal([3L, 2L], (await log.QueryAsync(new AuditQuery { From = start.AddMinutes(1), Until = start.AddMinutes(3) })).Records.Select(r => r.Sequence));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task UpdateAndDelete_AreRefusedByTheDatabase(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        var (log, _) = await CreateAsync(test);
        await log.RecordAsync("alice", "policy.change", "p1");

        foreach (var sql in (string[])["UPDATE audit_log SET actor = 'bob'", "DELETE FROM audit_log"])
        {
            var e = await Assert.ThrowsAnyAsync<DbException>(async () => await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync(sql, transaction: tx); }));
            Assert.Contains("append-only", e.Message);
        }
        Assert.True((await log.VerifyAsync()).Intact);
    }

    [Theory]
    [InlineData("UPDATE audit_log SET target = 'other' WHERE sequence = 2", "row 2 is not what was written")]
    [InlineData("UPDATE audit_log SET at_ms = at_ms + 1 WHERE sequence = 2", "row 2 is not what was written")]
    [InlineData("UPDATE audit_log SET detail = NULL WHERE sequence = 2", "row 2 is not what was written")]
    [InlineData("DELETE FROM audit_log WHERE sequence = 2", "row 2 is missing")]
    [InlineData("DELETE FROM audit_log WHERE sequence = 4", "rows 4 to 4 are missing from the end")]
    public async Task Verify_Tampering_NamesTheRow(string tamper, string fault)
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        var (log, _) = await CreateAsync(test);
        for (var i = 1; i <= 4; i++) await log.RecordAsync("alice", "policy.change", "p" + i, new { i });
        var head = (await log.VerifyAsync()).Head;
        Assert.Equal(4, head.Sequence);

        // Somebody with the file in hand.
        await test.Database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("DROP TRIGGER audit_log_no_update; DROP TRIGGER audit_log_no_delete; " + tamper, transaction: tx); });

        var verification = await log.VerifyAsync(head);
        Assert.False(verification.Intact);
        Assert.Contains(fault, verification.Fault);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task Record_ManyAtOnce_ChainStaysWhole(string kind)
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        var (log, _) = await CreateAsync(test);

        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(async () => await log.RecordAsync("a", "b.c", "t" + i)))).DefaultTimeout();

        var verification = await log.VerifyAsync();
        Assert.Null(verification.Fault);
        Assert.Equal(20, verification.Head.Sequence);
    }

    [Fact]
    public async Task Record_DetailOverTheLimit_IsRefused()
    {
        await using var test = await TestDatabase.CreateAsync("sqlite");
        var (log, _) = await CreateAsync(test);
        var largest = new string('x', AuditLog.MaxDetail - 2);

        await log.RecordAsync("a", "b.c", "t", largest);
        var e = await Assert.ThrowsAsync<RefusalException>(async () => await log.RecordAsync("a", "b.c", "t", largest + "x"));

        Assert.Equal("detail", Assert.Single(e.Refusal.Fields).Field);
    }

    private static async Task<(AuditLog Log, FakeClock Clock)> CreateAsync(TestDatabase test)
    {
        await test.MigrateAsync([.. AuditSchema.Migrations]);
        var clock = new FakeClock();
        return (new AuditLog(test.Database, clock), clock);
    }
}
