import Foundation
import GRDB
import LedgerCore
import SegmentStore
import Signing
import SyncProtocol
import TextFormats

/// A log as tables, in a temporary database of SQLite's that is gone when this is.
struct LoadedLog {
    /// SQLite keeps it in memory as far as its page cache reaches, and in an unnamed file beyond.
    let tables: DatabaseQueue
    /// Events that no table shows: of an unknown kind, or unreadable.
    private(set) var setAside: UInt64 = 0

    /// - Parameters:
    ///   - sql: a table that it does not mention is left empty, where that saves time.
    ///   - progress: told how many events of how many are loaded.
    /// - Throws: `TraceFailure` where the log has more than `eventsMax` events.
    init(
        copy path: String, for sql: String, eventsMax: UInt64, progress: (UInt64, UInt64) -> Void
    ) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        }
        tables = try DatabaseQueue(path: "", configuration: configuration)
        let log = try DatabaseQueue(path: path)
        let total = try log.read { database in
            UInt64(try Int64.fetchOne(database, sql: "SELECT total(count) FROM segments") ?? 0)
        }
        guard total <= eventsMax else {
            throw TraceFailure.failed(
                "the log has \(Wording.count(total, "event")), more than the limit of "
                    + "\(Wording.count(eventsMax)) (--events-max)")
        }
        let withPostings = sql.range(of: LogTable.postings.name, options: .caseInsensitive) != nil
        let withTransactions =
            withPostings
            || sql.range(of: LogTable.transactions.name, options: .caseInsensitive) != nil
        setAside = try tables.write { tables in
            for table in LogTable.all { try tables.execute(sql: table.creation) }
            return try log.read { log in
                var loading = Loading(
                    tables: tables, withTransactions: withTransactions, withPostings: withPostings)
                var scan = LogScan(hasher: SHA256Hasher())
                while true {
                    let segments = try scan.next(log)
                    if segments.isEmpty { break }
                    for segment in segments { try loading.add(segment) }
                    progress(loading.events, total)
                }
                if withPostings {
                    try tables.execute(sql: "CREATE INDEX postings_tx ON postings(tx)")
                }
                return loading.setAside
            }
        }
    }
}

/// Writes one log's rows.
private struct Loading {
    let tables: Database
    let withTransactions: Bool
    let withPostings: Bool
    var events: UInt64 = 0
    var setAside: UInt64 = 0
    private var transactions: Int64 = 0
    private let encoder = JSONEncoder()

    init(tables: Database, withTransactions: Bool, withPostings: Bool) {
        self.tables = tables
        self.withTransactions = withTransactions
        self.withPostings = withPostings
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    mutating func add(_ segment: DecodedSegment) throws {
        var unreadable: Int64 = 0
        for read in segment.events {
            if case .event(let event) = read {
                if withTransactions { try add(event, of: segment) }
            } else {
                unreadable += 1
            }
        }
        events += UInt64(segment.events.count)
        setAside += UInt64(unreadable)
        let header = segment.stored.segment.header
        var row = try SQLStatement(tables, LogTable.segments.insertion)
        try row.bind(segment.stored.position)
        try row.bind(segment.stream.genesis.agent.description)
        try row.bind(segment.stream.tag.description)
        try row.bind(sequence: header.firstSequence)
        try row.bind(Int64(header.count))
        try row.bind(unreadable)
        try row.bind(Int64(header.definitionCount))
        try row.bind(segment.stored.segment.bytes.count)
        try row.bind(segment.stored.hash.description)
        try row.bind(header.previous.description)
        try row.bind(RFC3339.text(microseconds: segment.stored.recordedAt.microseconds))
        try row.run()
    }

    private mutating func add(_ event: Event, of segment: DecodedSegment) throws {
        transactions += 1
        let transaction = event.transaction
        let stream = segment.stream
        let id = segment.id(of: event.sequence)
        var row = try SQLStatement(tables, LogTable.transactions.insertion)
        try row.bind(transactions)
        try row.bind(id.description)
        try row.bind(stream.genesis.agent.description)
        try row.bind(stream.tag.description)
        try row.bind(sequence: event.sequence)
        try row.bind(segment.stored.position)
        try row.bind(transaction.kind.name)
        try row.bind(RFC3339.text(microseconds: event.time.time.microseconds))
        try row.bind(
            ifPresent: transaction.occurredAt.map { RFC3339.text(microseconds: $0.microseconds) })
        try row.bind(ifPresent: transaction.reference)
        try row.bind(ifPresent: try metadata(transaction))
        try row.bind(ifPresent: event.keyed?.key.key)
        try row.bind(ifPresent: transaction.related?.description)
        try row.bind(ifPresent: event.trace?.traceID.hexadecimal)
        try row.run()
        guard withPostings else { return }
        for (index, posting) in transaction.postings.enumerated() {
            try add(posting, number: index + 1)
        }
    }

    private func add(_ posting: Posting, number: Int) throws {
        var row = try SQLStatement(tables, LogTable.postings.insertion)
        try row.bind(transactions)
        try row.bind(number)
        try row.bind(posting.source.description)
        try row.bind(posting.destination.description)
        try row.bind(posting.asset.description)
        try row.bind(posting.amount.units)
        try row.run()
    }

    private func metadata(_ transaction: Transaction) throws -> String? {
        guard !transaction.metadata.isEmpty else { return nil }
        let pairs = Dictionary(
            transaction.metadata.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        return String(decoding: try encoder.encode(pairs), as: UTF8.self)
    }
}
