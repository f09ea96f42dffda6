import GRDB
import SegmentStore

/// The agent's own tables, beside the log that both sides share.
///
/// - `identity`: one row; whose folder this is, and which stream it writes.
/// - `own_streams`: one row a stream that the folder has written, in their order; the last session
///   it was made ready to prove, and why it ended.
/// - `hubs`: one row a hub's stream that was followed, in their order; `hub_events`: what they told
///   this agent; `placements`: where a later hub placed what another had acknowledged before.
/// - `must_draw`: at most one row, in a folder that was made from a backup: the next start begins a
///   new stream.
/// - `promised_time`: at most one row; the hybrid time up to which nothing will be recorded any more.
/// - `receipts`: one row an acknowledgement, in the order in which they came; which events it covered
///   and what the way there took; kept as long as the events.
/// - `merged_balances`: one row an account and asset; what others than this agent brought it, as the
///   hub last said, in the asset's smallest unit.
enum AgentTables {
    static let migrations = [
        LogMigration(id: "agent-1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE identity (
                        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
                        agent TEXT NOT NULL,
                        ledger TEXT NOT NULL,
                        stream INTEGER NOT NULL REFERENCES streams(id),
                        last_session INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE receipts (
                        first_seq INTEGER PRIMARY KEY,
                        through_seq INTEGER NOT NULL,
                        through_hash BLOB NOT NULL,
                        hub INTEGER NOT NULL,
                        hub_position INTEGER,
                        published_at INTEGER,
                        attempt INTEGER NOT NULL,
                        acknowledged_at INTEGER NOT NULL,
                        received_at INTEGER NOT NULL,
                        committed_at INTEGER NOT NULL,
                        waited_for TEXT NOT NULL
                    ) STRICT;
                    """)
        },
        LogMigration(id: "agent-2-merged-balances") { database in
            // Sums go beyond 64 bits, so they are decimal text.
            try database.execute(
                sql: """
                    CREATE TABLE merged_balances (
                        account TEXT NOT NULL,
                        asset TEXT NOT NULL,
                        others_input TEXT NOT NULL,
                        others_output TEXT NOT NULL,
                        hub INTEGER NOT NULL,
                        hub_position INTEGER NOT NULL,
                        taken_at INTEGER NOT NULL,
                        PRIMARY KEY (account, asset)
                    ) STRICT, WITHOUT ROWID;
                    """)
        },
        LogMigration(id: "agent-3-promised-time") { try $0.execute(sql: PromisedTime.table) },
        // - `retention_clock`: one row; how long the folder has been in use, by a clock that nobody
        //   sets, and what the wall clock said then.
        // - `retention_marks`: how far the stream had come at some of those times; `kept` is 1 for
        //   segments, 2 for keys.
        // - `idempotency_keys.time`: of the key's event, so that its first answer can be given
        //   again when the event is pruned; NULL for those of an older version.
        LogMigration(id: "agent-4-retention") { database in
            try database.execute(
                sql: """
                    CREATE TABLE retention_clock (
                        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
                        elapsed INTEGER NOT NULL,
                        wall INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE retention_marks (
                        kept INTEGER NOT NULL,
                        through_seq INTEGER NOT NULL,
                        elapsed INTEGER NOT NULL,
                        PRIMARY KEY (kept, through_seq)
                    ) STRICT, WITHOUT ROWID;
                    ALTER TABLE idempotency_keys ADD COLUMN time INTEGER;
                    """)
        },
        LogMigration(id: "agent-5-streams") { database in
            try database.execute(sql: OwnStreams.tables)
            try database.execute(sql: HubTable.tables)
            try database.execute(sql: ReceiptTable.ofSeveralStreams)
            try database.execute(sql: RetentionTable.ofSeveralStreams)
            try database.execute(sql: "ALTER TABLE identity DROP COLUMN last_session")
        },
    ]
}
