namespace Vigil.ServiceDefaults;

/// <summary>
/// The tables and queries that official Orleans expects to find for ADO.NET persistence, reminders and clustering: it knows them by the keys in
/// OrleansQuery, and by the names of parameters and columns. The bundled silo makes tables of its own and leaves these empty; they are there with both, so
/// that a database can go from one to the other without being refused. Official Orleans takes "no row returned" as a failed ETag, which
/// makes one statement enough for each write.
/// </summary>
internal static class OrleansSchema
{
    private const string Key = """
        ServiceId = @ServiceId AND GrainTypeString = @GrainTypeString AND GrainIdExtensionString = COALESCE(CAST(@GrainIdExtensionString AS varchar), '')
            AND GrainIdN0 = @GrainIdN0 AND GrainIdN1 = @GrainIdN1
        """;

    private const string Tables = """
        CREATE TABLE OrleansQuery (QueryKey varchar(64) NOT NULL PRIMARY KEY, QueryText varchar(8000) NOT NULL);
        CREATE TABLE OrleansStorage (
            ServiceId varchar(150) NOT NULL,
            GrainTypeString varchar(512) NOT NULL,
            GrainIdExtensionString varchar(512) NOT NULL,
            GrainIdN0 bigint NOT NULL,
            GrainIdN1 bigint NOT NULL,
            PayloadBinary {blob},
            ModifiedOn timestamp NOT NULL,
            Version integer NOT NULL,
            PRIMARY KEY (ServiceId, GrainTypeString, GrainIdExtensionString, GrainIdN0, GrainIdN1));
        """;

    // Inserts where nothing was read and nothing is there; updates where the version is the one that was read; else returns nothing.
    private const string Write = $"""
        INSERT INTO OrleansStorage (ServiceId, GrainTypeString, GrainIdExtensionString, GrainIdN0, GrainIdN1, PayloadBinary, ModifiedOn, Version)
        SELECT @ServiceId, @GrainTypeString, COALESCE(CAST(@GrainIdExtensionString AS varchar), ''), @GrainIdN0, @GrainIdN1, CAST(@PayloadBinary AS {"{blob}"}), CURRENT_TIMESTAMP, 1
        WHERE CAST(@GrainStateVersion AS integer) IS NULL OR EXISTS (SELECT 1 FROM OrleansStorage WHERE {Key})
        ON CONFLICT (ServiceId, GrainTypeString, GrainIdExtensionString, GrainIdN0, GrainIdN1)
        DO UPDATE SET PayloadBinary = excluded.PayloadBinary, ModifiedOn = excluded.ModifiedOn, Version = OrleansStorage.Version + 1
        WHERE OrleansStorage.Version = CAST(@GrainStateVersion AS integer)
        RETURNING Version AS NewGrainStateVersion
        """;

    private const string Reminders = """
        CREATE TABLE OrleansRemindersTable (
            ServiceId varchar(150) NOT NULL,
            GrainId varchar(512) NOT NULL,
            ReminderName varchar(150) NOT NULL,
            StartTime timestamptz(3) NOT NULL,
            Period bigint NOT NULL,
            GrainHash integer NOT NULL,
            Version integer NOT NULL,
            PRIMARY KEY (ServiceId, GrainId, ReminderName));
        CREATE INDEX OrleansReminders_Hash ON OrleansRemindersTable (ServiceId, GrainHash);
        """;

    private const string ReadReminders = "SELECT GrainId, ReminderName, StartTime, Period, Version FROM OrleansRemindersTable WHERE ServiceId = @ServiceId AND ";

    // Who is in the cluster. Each change of a member also moves its cluster's version, from the one that was read: a silo that looked at an
    // older list changes nothing and looks again.
    private const string Members = """
        CREATE TABLE OrleansMembershipVersionTable (
            DeploymentId varchar(150) NOT NULL PRIMARY KEY,
            Timestamp timestamptz(3) NOT NULL,
            Version integer NOT NULL);
        CREATE TABLE OrleansMembershipTable (
            DeploymentId varchar(150) NOT NULL REFERENCES OrleansMembershipVersionTable,
            Address varchar(45) NOT NULL,
            Port integer NOT NULL,
            Generation integer NOT NULL,
            SiloName varchar(150) NOT NULL,
            HostName varchar(150) NOT NULL,
            Status integer NOT NULL,
            ProxyPort integer,
            SuspectTimes varchar(8000),
            StartTime timestamptz(3) NOT NULL,
            IAmAliveTime timestamptz(3) NOT NULL,
            PRIMARY KEY (DeploymentId, Address, Port, Generation));
        """;

    private const string Member = "DeploymentId = @DeploymentId AND Address = @Address AND Port = @Port AND Generation = @Generation";

    private const string MoveVersion = "UPDATE OrleansMembershipVersionTable SET Timestamp = now(), Version = Version + 1 WHERE DeploymentId = @DeploymentId AND Version = @Version";

    private const string CountDone = "SELECT CAST(count(*) AS integer) AS row_count FROM done";

    // The version's row comes even when the cluster has no members.
    private static string ReadMembers(string which) => $"""
        SELECT v.DeploymentId, m.Address, m.Port, m.Generation, m.SiloName, m.HostName, m.Status, m.ProxyPort, m.SuspectTimes, m.StartTime, m.IAmAliveTime, v.Version
        FROM OrleansMembershipVersionTable v LEFT JOIN OrleansMembershipTable m ON m.DeploymentId = v.DeploymentId{which}
        WHERE v.DeploymentId = @DeploymentId
        """;

    public static readonly IReadOnlyList<Migration> Migrations =
    [
        new(1, "tables and queries of official Orleans",
            Storage("BLOB"),
            Storage("bytea") + Reminders + string.Concat(
                Query("UpsertReminderRowKey", """
                    INSERT INTO OrleansRemindersTable (ServiceId, GrainId, ReminderName, StartTime, Period, GrainHash, Version)
                    VALUES (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash, 0)
                    ON CONFLICT (ServiceId, GrainId, ReminderName)
                    DO UPDATE SET StartTime = excluded.StartTime, Period = excluded.Period, GrainHash = excluded.GrainHash, Version = OrleansRemindersTable.Version + 1
                    RETURNING Version
                    """),
                Query("ReadReminderRowsKey", ReadReminders + "GrainId = @GrainId"),
                Query("ReadReminderRowKey", ReadReminders + "GrainId = @GrainId AND ReminderName = @ReminderName"),
                Query("ReadRangeRows1Key", ReadReminders + "GrainHash > @BeginHash AND GrainHash <= @EndHash"),
                Query("ReadRangeRows2Key", ReadReminders + "(GrainHash > @BeginHash OR GrainHash <= @EndHash)"),
                Query("DeleteReminderRowKey", """
                    WITH gone AS (DELETE FROM OrleansRemindersTable WHERE ServiceId = @ServiceId AND GrainId = @GrainId AND ReminderName = @ReminderName AND Version = @Version RETURNING 1)
                    SELECT CAST(count(*) AS integer) AS row_count FROM gone
                    """),
                Query("DeleteReminderRowsKey", "DELETE FROM OrleansRemindersTable WHERE ServiceId = @ServiceId"))),
        new(2, "cluster members",
            // A SQLite file has one process, so there is no cluster to keep.
            "SELECT 1",
            Members + string.Concat(
                Query("InsertMembershipVersionKey", $"""
                    WITH done AS (INSERT INTO OrleansMembershipVersionTable (DeploymentId, Timestamp, Version) VALUES (@DeploymentId, now(), 0) ON CONFLICT DO NOTHING RETURNING 1)
                    {CountDone}
                    """),
                Query("InsertMembershipKey", $"""
                    WITH moved AS ({MoveVersion} AND NOT EXISTS (SELECT 1 FROM OrleansMembershipTable WHERE {Member}) RETURNING 1),
                    done AS (
                        INSERT INTO OrleansMembershipTable (DeploymentId, Address, Port, Generation, SiloName, HostName, Status, ProxyPort, StartTime, IAmAliveTime)
                        SELECT @DeploymentId, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM moved RETURNING 1)
                    {CountDone}
                    """),
                Query("UpdateMembershipKey", $"""
                    WITH moved AS ({MoveVersion} AND EXISTS (SELECT 1 FROM OrleansMembershipTable WHERE {Member}) RETURNING 1),
                    done AS (
                        UPDATE OrleansMembershipTable SET Status = @Status, SuspectTimes = @SuspectTimes, IAmAliveTime = @IAmAliveTime FROM moved WHERE {Member} RETURNING 1)
                    {CountDone}
                    """),
                Query("UpdateIAmAlivetimeKey", $"UPDATE OrleansMembershipTable SET IAmAliveTime = @IAmAliveTime WHERE {Member}"),
                Query("MembershipReadRowKey", ReadMembers(" AND m.Address = @Address AND m.Port = @Port AND m.Generation = @Generation")),
                Query("MembershipReadAllKey", ReadMembers("")),
                Query("GatewaysQueryKey", "SELECT Address, ProxyPort, Generation FROM OrleansMembershipTable WHERE DeploymentId = @DeploymentId AND Status = @Status AND ProxyPort > 0"),
                // 3 is Active.
                Query("CleanupDefunctSiloEntriesKey", "DELETE FROM OrleansMembershipTable WHERE DeploymentId = @DeploymentId AND IAmAliveTime < @IAmAliveTime AND Status <> 3"),
                Query("DeleteMembershipTableEntriesKey", """
                    DELETE FROM OrleansMembershipTable WHERE DeploymentId = @DeploymentId;
                    DELETE FROM OrleansMembershipVersionTable WHERE DeploymentId = @DeploymentId
                    """))),
    ];

    private static string Storage(string blob) =>
        Tables.Replace("{blob}", blob)
        + Query("WriteToStorageKey", Write.Replace("{blob}", blob))
        + Query("ReadFromStorageKey", $"SELECT PayloadBinary, Version FROM OrleansStorage WHERE {Key}")
        + Query("ClearStorageKey", $"UPDATE OrleansStorage SET PayloadBinary = NULL, ModifiedOn = CURRENT_TIMESTAMP, Version = Version + 1 WHERE {Key} AND Version = CAST(@GrainStateVersion AS integer) RETURNING Version AS NewGrainStateVersion")
        + Query("DeleteStorageKey", $"DELETE FROM OrleansStorage WHERE {Key} AND Version = CAST(@GrainStateVersion AS integer) RETURNING Version + 1 AS NewGrainStateVersion");

    private static string Query(string key, string text) =>
        $"INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES ('{key}', '{text.Replace("'", "''")}');\n";
}
