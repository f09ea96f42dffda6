import GRDB
import SegmentStore

/// The tables of `projection.db`, and the views that people read. The catalog's article says what
/// every column is and in which unit.
///
/// **Numbers.** Everything is told by three numbers that follow from the log alone, so that a rebuild
/// gives every row the number that it had:
/// - a transaction's is its event's place in the whole log, from 1 on;
/// - a posting's is `transaction << 6 | its place in the transaction`;
/// - an entry's is `posting << 1`, and 1 more for the destination.
enum ProjectionSchema {
    /// "TRIP": whose file it is (sqlite.org/fileformat.html, section 1.3.11).
    static let applicationID: Int64 = 0x5452_4950
    /// Another one is not migrated, but rebuilt from the log.
    static let version: Int64 = 2

    /// Where something is damaged, in the words of an error.
    static let place = "the projection"

    static let postingBits: Int64 = 6
    /// Of an entry's number, what is behind the transaction's.
    static let entryBits = postingBits + 1
    /// Transactions share a part by the number's upper bits. An index on a key without an order, over
    /// everything, would write a page for almost every row; within a part, all pages stay in memory.
    static let partBits: Int64 = 18
    /// And a block, whose first and last time are kept, so that a search by time leaves out the others.
    static let blockBits: Int64 = 12

    /// Status of a transaction: the constants 0 and 1 take no room in a row.
    static let setAside: Int64 = 0
    static let merged: Int64 = 1

    static func create(_ database: Database) throws {
        try database.execute(sql: tables)
        try database.execute(sql: views)
        try database.execute(
            sql: """
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(version);
                """)
    }

    private static let tables = """
        CREATE TABLE progress (
          only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
          log TEXT NOT NULL,                -- whose log: the ledger's name and the hub's stream
          position INTEGER NOT NULL,        -- of the last segment that has its rows here
          hash BLOB NOT NULL,               -- of that segment
          events INTEGER NOT NULL           -- in the log up to there
        ) STRICT;

        CREATE TABLE stream (
          id INTEGER PRIMARY KEY,
          tag TEXT NOT NULL,
          agent TEXT NOT NULL
        ) STRICT;
        CREATE INDEX stream_agent ON stream(agent);
        CREATE TABLE account (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE asset (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

        CREATE TABLE segment (
          position INTEGER PRIMARY KEY,     -- in the aggregator's log
          stream INTEGER NOT NULL REFERENCES stream(id),
          first_sequence INTEGER NOT NULL,
          events INTEGER NOT NULL,
          first_transaction INTEGER NOT NULL,
          branch TEXT,                      -- of a fork: 8 digits of its hash, where others have its numbers
          published_at INTEGER,             -- microseconds since 1970, the agent's clock
          attempt INTEGER NOT NULL,
          received_at INTEGER,              -- microseconds since 1970, the aggregator's clock
          merged_at INTEGER NOT NULL        -- microseconds since 1970, the aggregator's clock
        ) STRICT;
        CREATE INDEX segment_stream ON segment(stream);

        CREATE TABLE ledger_transaction (
          id INTEGER PRIMARY KEY,
          segment INTEGER NOT NULL REFERENCES segment(position),
          accepted_at INTEGER NOT NULL,     -- microseconds since 1970, the agent's hybrid clock
          tick INTEGER NOT NULL,            -- the hybrid clock's count within that microsecond
          kind INTEGER NOT NULL,            -- 1 transfer
          status INTEGER NOT NULL,          -- 1 merged, 0 set aside: it moves nothing
          reference TEXT,
          metadata_pairs INTEGER NOT NULL,
          occurred_at INTEGER,              -- microseconds since 1970, the client's word
          related TEXT                      -- id of another transaction
        ) STRICT;
        CREATE INDEX ledger_transaction_reference ON ledger_transaction(id >> \(partBits), reference)
          WHERE reference IS NOT NULL;
        CREATE INDEX ledger_transaction_status ON ledger_transaction(status) WHERE status <> 1;

        CREATE TABLE metadata (
          ledger_transaction INTEGER NOT NULL,
          name TEXT NOT NULL,
          value TEXT NOT NULL,
          PRIMARY KEY (ledger_transaction, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE posting (
          id INTEGER PRIMARY KEY,
          source INTEGER NOT NULL REFERENCES account(id),
          destination INTEGER NOT NULL REFERENCES account(id),
          asset INTEGER NOT NULL REFERENCES asset(id),
          amount INTEGER NOT NULL           -- in the asset's smallest unit
        ) STRICT;

        CREATE TABLE entry (
          part INTEGER NOT NULL,            -- of its transaction: the number's upper bits
          account INTEGER NOT NULL REFERENCES account(id),
          id INTEGER NOT NULL,
          balance ANY NOT NULL,             -- behind it; text beyond 64 bits
          PRIMARY KEY (part, account, id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE balance (
          account INTEGER NOT NULL REFERENCES account(id),
          asset INTEGER NOT NULL REFERENCES asset(id),
          input ANY NOT NULL,               -- text beyond 64 bits
          output ANY NOT NULL,
          PRIMARY KEY (account, asset)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE block (
          id INTEGER PRIMARY KEY,           -- the upper bits of its transactions' numbers
          first_at INTEGER NOT NULL,
          last_at INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE unreadable (
          id INTEGER PRIMARY KEY,           -- where its transaction would be
          segment INTEGER NOT NULL REFERENCES segment(position),
          sequence INTEGER NOT NULL,
          reason TEXT NOT NULL
        ) STRICT;
        """

    private static let views = """
        CREATE VIEW transactions AS
          SELECT s.agent || '.' || s.tag || '.' || (g.first_sequence + t.id - g.first_transaction)
              || coalesce('~' || g.branch, '') AS id,
            t.id AS number, s.agent AS agent, s.tag AS stream,
            g.first_sequence + t.id - g.first_transaction AS sequence, 'transfer' AS kind,
            CASE t.status WHEN 1 THEN 'merged' ELSE 'set_aside' END AS status,
            \(time("t.accepted_at")) AS accepted_at, \(time("g.merged_at")) AS merged_at,
            \(time("t.occurred_at")) AS occurred_at, t.reference AS reference, t.related AS related,
            t.segment AS position
          FROM ledger_transaction t JOIN segment g ON g.position = t.segment
            JOIN stream s ON s.id = g.stream;

        CREATE VIEW postings AS
          SELECT s.agent || '.' || s.tag || '.' || (g.first_sequence + t.id - g.first_transaction)
              || coalesce('~' || g.branch, '') AS "transaction",
            t.id AS number, p.id & 63 AS posting, a.address AS source, b.address AS destination,
            x.name AS asset, p.amount AS amount, \(time("t.accepted_at")) AS accepted_at,
            CASE t.status WHEN 1 THEN 'merged' ELSE 'set_aside' END AS status
          FROM posting p JOIN ledger_transaction t ON t.id = p.id >> \(postingBits)
            JOIN segment g ON g.position = t.segment JOIN stream s ON s.id = g.stream
            JOIN account a ON a.id = p.source JOIN account b ON b.id = p.destination
            JOIN asset x ON x.id = p.asset;

        CREATE VIEW entries AS
          SELECT a.address AS account, e.id >> \(entryBits) AS number,
            s.agent || '.' || s.tag || '.' || (g.first_sequence + t.id - g.first_transaction)
              || coalesce('~' || g.branch, '') AS "transaction",
            (e.id >> 1) & 63 AS posting, x.name AS asset,
            CASE e.id & 1 WHEN 1 THEN p.amount ELSE -p.amount END AS change, e.balance AS balance,
            o.address AS counterparty, t.reference AS reference,
            \(time("t.accepted_at")) AS accepted_at, \(time("g.merged_at")) AS merged_at
          FROM entry e JOIN posting p ON p.id = e.id >> 1
            JOIN ledger_transaction t ON t.id = e.id >> \(entryBits)
            JOIN segment g ON g.position = t.segment JOIN stream s ON s.id = g.stream
            JOIN account a ON a.id = e.account JOIN asset x ON x.id = p.asset
            JOIN account o ON o.id = CASE e.id & 1 WHEN 1 THEN p.source ELSE p.destination END;

        CREATE VIEW balances AS
          SELECT a.address AS account, x.name AS asset, b.input AS input, b.output AS output,
            b.input - b.output AS balance
          FROM balance b JOIN account a ON a.id = b.account JOIN asset x ON x.id = b.asset;

        CREATE VIEW transaction_metadata AS
          SELECT t.id AS "transaction", m.ledger_transaction AS number, m.name AS name, m.value AS value
          FROM metadata m JOIN transactions t ON t.number = m.ledger_transaction;

        CREATE VIEW set_aside AS
          SELECT s.agent || '.' || s.tag || '.' || u.sequence || coalesce('~' || g.branch, '') AS id, u.segment AS position,
            u.reason AS reason
          FROM unreadable u JOIN segment g ON g.position = u.segment JOIN stream s ON s.id = g.stream
          UNION ALL
          SELECT id, position, 'its group, or a number in it, makes no sense' FROM transactions
          WHERE number IN (SELECT id FROM ledger_transaction WHERE status <> 1 AND status = 0);
        """

    /// A column of microseconds as text of RFC 3339.
    private static func time(_ column: String) -> String {
        "strftime('%Y-%m-%dT%H:%M:%S', \(column) / 1000000, 'unixepoch')"
            + " || printf('.%06dZ', \(column) % 1000000)"
    }
}
