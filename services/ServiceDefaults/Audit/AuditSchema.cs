namespace Vigil.ServiceDefaults;

internal static class AuditSchema
{
    public const string Component = "audit";

    // Triggers keep honest programs from changing rows; the chain of hashes shows what a dishonest one did.
    public static readonly IReadOnlyList<Migration> Migrations =
    [
        new(1, "audit log",
            """
            CREATE TABLE audit_log (
                sequence INTEGER PRIMARY KEY,
                at_ms INTEGER NOT NULL,
                actor TEXT NOT NULL,
                action TEXT NOT NULL,
                target TEXT NOT NULL,
                detail TEXT,
                hash TEXT NOT NULL);
            CREATE INDEX audit_log_at ON audit_log (at_ms);
            CREATE INDEX audit_log_target ON audit_log (target, sequence);
            CREATE INDEX audit_log_actor ON audit_log (actor, sequence);
            CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
            CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
            """,
            """
            CREATE TABLE audit_log (
                sequence BIGINT PRIMARY KEY,
                at_ms BIGINT NOT NULL,
                actor TEXT NOT NULL,
                action TEXT NOT NULL,
                target TEXT NOT NULL,
                detail TEXT,
                hash TEXT NOT NULL);
            CREATE INDEX audit_log_at ON audit_log (at_ms);
            CREATE INDEX audit_log_target ON audit_log (target, sequence);
            CREATE INDEX audit_log_actor ON audit_log (actor, sequence);
            CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
            CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse();
            """),
    ];
}
