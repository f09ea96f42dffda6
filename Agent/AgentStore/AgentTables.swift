import GRDB
import SegmentStore

/// The agent's own tables, beside the log that both sides share.
///
/// - `identity`: one row; whose folder this is, which stream it writes, and the last session it
///   proved.
/// - `receipts`: one row an acknowledgement; which events it covered and what the way there took.
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
        }
    ]
}
