import GRDB

/// The tables that agent and aggregator share. People may read them with the `sqlite3` shell, so
/// every column says what it is; only this program writes them.
extension LogMigration {
    /// "TRIB": what SQLite's header says of whose file it is (sqlite.org/fileformat.html, section
    /// 1.3.11).
    static let applicationID: Int64 = 0x5452_4942

    static let shared = [
        LogMigration(id: "shared-1-log") { try $0.execute(sql: log) },
        LogMigration(id: "shared-2-keys") { try $0.execute(sql: keys) },
        LogMigration(id: "shared-3-fold") { try $0.execute(sql: fold) },
        LogMigration(id: "shared-4-branches") { try $0.execute(sql: branches) },
    ]

    private static let log = """
        PRAGMA application_id = 1414678850;

        CREATE TABLE streams (
          id INTEGER PRIMARY KEY,
          tag TEXT NOT NULL,                    -- 8 letters, from the genesis hash
          writer INTEGER NOT NULL,              -- 1 an agent, 2 a hub
          agent TEXT NOT NULL,
          genesis BLOB NOT NULL,                -- its encoding
          genesis_hash BLOB NOT NULL UNIQUE,    -- SHA-256, the hash(0) of the chain
          pruned_through INTEGER NOT NULL DEFAULT 0,  -- last sequence number no longer kept; 0: all are
          pruned_hash BLOB                      -- hash of the segment that ended there
        );
        CREATE INDEX streams_tag ON streams(tag);

        -- The log. A row is never changed. Two segments of one stream may begin at the same number: a fork.
        CREATE TABLE segments (
          position INTEGER PRIMARY KEY,         -- the order in which they were committed here
          stream INTEGER NOT NULL REFERENCES streams(id),
          first_seq INTEGER NOT NULL,           -- sequence number of the first event
          count INTEGER NOT NULL,               -- events
          hash BLOB NOT NULL,                   -- SHA-256(hash of the one before, bytes)
          recorded_at INTEGER NOT NULL,         -- microseconds since 1970, this machine's clock
          bytes BLOB NOT NULL                   -- as committed, sent and signed
        );
        CREATE INDEX segments_stream_seq ON segments(stream, first_seq);

        CREATE TRIGGER segments_are_immutable BEFORE UPDATE ON segments
        BEGIN SELECT RAISE(ABORT, 'a segment is never changed'); END;

        -- Positions are given out as the greatest plus one, and must not be given out twice.
        CREATE TRIGGER segments_keep_the_last BEFORE DELETE ON segments
        WHEN old.position = (SELECT max(position) FROM segments)
        BEGIN SELECT RAISE(ABORT, 'the last segment of the log is never deleted'); END;

        -- The names that segments number, kept whatever is pruned. A row leads from one state of a stream's dictionary
        -- (first, before) to the next (total, rolling); after a fork, each branch has its own chain of them.
        CREATE TABLE definitions (
          stream INTEGER NOT NULL REFERENCES streams(id),
          total INTEGER NOT NULL,               -- definitions up to here, these included
          rolling BLOB NOT NULL,                -- rolling hash with these, 16 bytes
          first INTEGER NOT NULL,               -- number of the first one here
          before BLOB NOT NULL,                 -- rolling hash without these, 16 bytes
          bytes BLOB NOT NULL,                  -- as in the segment
          PRIMARY KEY (stream, total, rolling)
        ) WITHOUT ROWID;
        """

    private static let keys = """
        -- Idempotency keys: which event a key belongs to. Derived from the log.
        CREATE TABLE idempotency_keys (
          scope TEXT NOT NULL,                  -- the client's name, else the agent's
          key TEXT NOT NULL,
          digest BLOB NOT NULL,                 -- of what the client sent, 16 bytes
          stream INTEGER NOT NULL REFERENCES streams(id),
          sequence INTEGER NOT NULL,
          PRIMARY KEY (scope, key)
        ) WITHOUT ROWID;
        """

    private static let fold = """
        -- The checkpoint of the balances: what the log up to fold_position adds up to. Derived from the log.
        CREATE TABLE fold_accounts (number INTEGER PRIMARY KEY, address TEXT NOT NULL);
        CREATE TABLE fold_assets (number INTEGER PRIMARY KEY, asset TEXT NOT NULL);
        CREATE TABLE fold_cells (
          page INTEGER PRIMARY KEY,
          bytes BLOB NOT NULL                   -- version 1; then 40 bytes a cell: account, asset, input, output
        );
        CREATE TABLE fold_position (
          id INTEGER PRIMARY KEY CHECK (id = 1),
          position INTEGER NOT NULL,            -- of the last segment counted in
          transactions INTEGER NOT NULL         -- applied up to there
        );
        """

    private static let branches = """
        -- Segments of a forked stream whose events have numbers that an earlier segment of the log gave to others: the
        -- ids of their events name the segment, too.
        CREATE TABLE repeated_segments (
          position INTEGER PRIMARY KEY,
          stream INTEGER NOT NULL REFERENCES streams(id)
        );
        CREATE INDEX repeated_segments_stream ON repeated_segments(stream);
        """
}
