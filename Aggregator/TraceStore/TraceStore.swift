import Foundation
import GRDB
import Glibc
import LedgerCore
import OTLP
import Observability
import SwiftProtobuf

/// Spans in, traces out: a database of its own beside the ledger, which it can neither slow down nor
/// fill.
///
/// **Function.** One thread inserts and prunes; any thread reads. All calls block: they belong on
/// threads of ours.
///
/// **Implementation.** SQLite in WAL mode with `synchronous = NORMAL`: a power cut may take the last
/// spans with it, and nothing else. A span is stored as the OTLP message that it came as, beside the
/// columns that are searched. A span that comes twice is stored once.
package final class TraceStore: Sendable {
    package let limits: TraceStoreLimits
    private let pool: DatabasePool

    /// Why the database cannot be used.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Opens or creates the database.
    package init(path: String, limits: TraceStoreLimits = TraceStoreLimits()) throws(Failure) {
        self.limits = limits
        try TraceStore.create(path)
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 2
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            let migrator = TraceStore.migrator
            if try pool.read(migrator.hasBeenSuperseded) {
                throw Failure(description: "\(path) was written by a newer version")
            }
            try migrator.migrate(pool)
        } catch {
            throw Failure(description: "\(path): \(error)")
        }
    }

    /// An empty file for the owner alone where there is none; what SQLite keeps beside it gets the
    /// same mode.
    private static func create(_ path: String) throws(Failure) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
        }
        Glibc.close(descriptor)
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("traces-1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE spans (
                        id INTEGER PRIMARY KEY,
                        trace BLOB NOT NULL,         -- 16 bytes
                        span BLOB NOT NULL,          -- 8 bytes
                        service TEXT NOT NULL,
                        instance TEXT NOT NULL,
                        started_at INTEGER NOT NULL, -- microseconds since 1970, the service's clock
                        stored_at INTEGER NOT NULL,  -- microseconds since 1970, our clock
                        stream TEXT,                 -- whose events the span is about
                        first_seq INTEGER,
                        last_seq INTEGER,
                        bytes BLOB NOT NULL,         -- the span as an OTLP message
                        UNIQUE (trace, span)
                    ) STRICT;
                    CREATE INDEX spans_service ON spans(service, started_at);
                    CREATE INDEX spans_events ON spans(stream, first_seq) WHERE stream IS NOT NULL;
                    """)
        }
        return migrator
    }

    package func close() throws {
        try pool.close()
    }

    // MARK: Writing (one thread)

    /// Stores the spans of one process. Those without the ids that a span must have are passed over.
    ///
    /// - Returns: how many were new.
    @discardableResult
    package func insert(
        _ spans: [OTLPSpan], service: String, instance: String, now: Timestamp
    ) throws(Failure) -> Int {
        try writing { database in
            let statement = try database.cachedStatement(
                sql: """
                    INSERT OR IGNORE INTO spans
                        (trace, span, service, instance, started_at, stored_at, stream, first_seq,
                         last_seq, bytes)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """)
            var count = 0
            for span in spans where span.hasIDs {
                let bytes: Data = try span.serializedBytes()
                let first = span.attributes.int(TraceAttribute.first)
                try statement.execute(arguments: [
                    span.traceID, span.spanID, service, instance,
                    Int64(clamping: span.start / 1000), now.microseconds,
                    first == nil ? nil : span.attributes.string(TraceAttribute.stream), first,
                    first.map { span.attributes.int(TraceAttribute.last) ?? $0 }, bytes,
                ])
                count += database.changesCount
            }
            return count
        }
    }

    /// Deletes what is too old, and what is too much, the oldest first; some of it at a time.
    ///
    /// - Returns: how many spans were deleted.
    @discardableResult
    package func prune(now: Timestamp) throws(Failure) -> Int {
        let limits = limits
        return try writing { database in
            let oldest = now.microseconds - limits.age
            // They were stored in the order of their ids.
            try database.execute(
                sql: """
                    DELETE FROM spans WHERE id IN (
                        SELECT id FROM (SELECT id, stored_at FROM spans ORDER BY id LIMIT ?)
                        WHERE stored_at < ?)
                    """, arguments: [limits.spansPerPruneMax, oldest])
            var count = database.changesCount
            if try TraceStore.byteCount(database) > limits.byteCountMax {
                try database.execute(
                    sql: "DELETE FROM spans WHERE id IN (SELECT id FROM spans ORDER BY id LIMIT ?)",
                    arguments: [limits.spansPerPruneMax])
                count += database.changesCount
            }
            return count
        }
    }

    private func writing<Value>(_ body: (Database) throws -> Value) throws(Failure) -> Value {
        do { return try pool.write(body) } catch { throw Failure(description: "\(error)") }
    }

    // MARK: Reading

    /// The spans of a trace, the earliest first.
    ///
    /// - Parameter id: 16 bytes.
    package func trace(_ id: [UInt8]) throws(Failure) -> [ArchivedSpan] {
        let limit = limits.spansPerTraceMax
        return try reading { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT service, instance, bytes FROM spans WHERE trace = ?
                    ORDER BY started_at, id LIMIT ?
                    """, arguments: [Data(id), limit])
            var found: [ArchivedSpan] = []
            while let row = try rows.next() {
                let bytes: Data = row[2]
                found.append(
                    ArchivedSpan(
                        service: row[0], instance: row[1],
                        span: try OTLPSpan(serializedBytes: bytes)))
            }
            return found
        }
    }

    /// The traces with a span about an event of a stream, the earliest first.
    package func traces(stream: StreamTag, sequence: UInt64) throws(Failure) -> [[UInt8]] {
        guard let sequence = Int64(exactly: sequence) else { return [] }
        let limits = limits
        return try reading { database in
            let found = try Data.fetchAll(
                database,
                sql: """
                    SELECT trace FROM spans
                    WHERE stream = ? AND first_seq BETWEEN ? AND ? AND last_seq >= ?
                    GROUP BY trace ORDER BY min(started_at), trace LIMIT ?
                    """,
                arguments: [
                    stream.description, sequence - limits.eventsPerSpanMax, sequence, sequence,
                    limits.tracesPerTransactionMax,
                ])
            return found.map { [UInt8]($0) }
        }
    }

    /// Spans kept, and the bytes that they take.
    package func size() throws(Failure) -> (spans: Int, bytes: Int64) {
        try reading { database in
            let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM spans") ?? 0
            return (count, try TraceStore.byteCount(database))
        }
    }

    private func reading<Value>(_ body: (Database) throws -> Value) throws(Failure) -> Value {
        do { return try pool.read(body) } catch { throw Failure(description: "\(error)") }
    }

    /// Without the pages that are free to be written again.
    private static func byteCount(_ database: Database) throws -> Int64 {
        func pragma(_ name: String) throws -> Int64 {
            try Int64.fetchOne(database, sql: "PRAGMA \(name)") ?? 0
        }
        return try (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
    }
}

extension OTLPSpan {
    fileprivate var hasIDs: Bool {
        TraceContext.areIDs([UInt8](traceID), [UInt8](spanID))
    }
}
