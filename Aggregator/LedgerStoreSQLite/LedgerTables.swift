import SegmentStore

/// The aggregator's own tables, beside the log that both sides share.
///
/// - `aggregator`: one row; the ledger's name, the stream that the hub writes, the hybrid time that it
///   says nothing beyond before its next start, and whether the database is a copy that was put back.
/// - `stream_records`: what is known of a stream beside its segments and the hub's events; its watermark
///   is a hybrid time, 52 bits of microseconds and 12 of counter, 0 for none; the evidence is the last
///   proof that its key signed.
/// - `arrivals`: one row a message; when the segments from its first position on were published and
///   received.
/// - `branch_ends`: where the branches of a stream end that has several; the furthest segment of a
///   stream that is not in it is its only end.
/// - `quarantined_events`: ranges of events without effect, by the hash of their segment; derived from
///   the hub's events, as `restamped_segments`: by how many microseconds times are shown later.
/// - `fold_counts`: one row; the ledger's counts at the checkpoint of the balances.
enum LedgerTables {
    static let migrations = [
        LogMigration(id: "aggregator-1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE aggregator (
                        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
                        ledger TEXT NOT NULL,
                        hub INTEGER NOT NULL REFERENCES streams(id)
                    ) STRICT;
                    CREATE TABLE stream_records (
                        stream INTEGER PRIMARY KEY REFERENCES streams(id),
                        proved_session INTEGER NOT NULL,
                        announced INTEGER NOT NULL,
                        announced_hash BLOB NOT NULL,
                        standing INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE arrivals (
                        first_position INTEGER PRIMARY KEY,
                        published_at INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        received_at INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE fold_counts (
                        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
                        transactions INTEGER NOT NULL,
                        events INTEGER NOT NULL,
                        set_aside INTEGER NOT NULL
                    ) STRICT;
                    """)
        },
        LogMigration(id: "aggregator-2-watermarks") { database in
            try database.execute(
                sql: "ALTER TABLE stream_records ADD COLUMN watermark INTEGER NOT NULL DEFAULT 0")
        },
        LogMigration(id: "aggregator-3-branches") { database in
            try database.execute(
                sql: """
                    CREATE TABLE branch_ends (
                        stream INTEGER NOT NULL REFERENCES streams(id),
                        hash BLOB NOT NULL,
                        sequence INTEGER NOT NULL,
                        PRIMARY KEY (stream, hash)
                    ) STRICT, WITHOUT ROWID;
                    """)
        },
        LogMigration(id: "aggregator-4-hub-events") { database in
            try database.execute(
                sql: """
                    ALTER TABLE aggregator ADD COLUMN clock INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE aggregator ADD COLUMN is_restored INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE stream_records DROP COLUMN standing;
                    ALTER TABLE stream_records ADD COLUMN evidence BLOB;
                    CREATE TABLE quarantined_events (
                        segment_hash BLOB NOT NULL,
                        first_seq INTEGER NOT NULL,
                        last_seq INTEGER NOT NULL,
                        PRIMARY KEY (segment_hash, first_seq)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE restamped_segments (
                        segment_hash BLOB PRIMARY KEY,
                        shift INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    """)
        },
    ]
}
