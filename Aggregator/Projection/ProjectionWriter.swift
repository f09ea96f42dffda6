import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// The rows of one step: what one transaction of the projection adds.
///
/// **Implementation.** Rows whose numbers grow are written as they come. Entries, which stand by
/// account, are kept until the end and written in their order, so that a page of the index is found
/// once a step instead of once an entry.
struct ProjectionWriter: ~Copyable {
    private struct Entry {
        let account: Int64
        let id: Int64
        let asset: Int64
        let units: Int64
        var balance: Int128 = 0

        var isInput: Bool { id & 1 == 1 }
        var part: Int64 { id >> (ProjectionSchema.partBits + ProjectionSchema.entryBits) }
    }

    private struct Sums {
        var input: Int128 = 0
        var output: Int128 = 0
    }

    private let database: Database
    private var names: NameNumbers
    private(set) var events: Int64
    private var entries: [Entry] = []
    private var blocks: [Int64: ClosedRange<Int64>] = [:]
    private var insertTransaction: SQLStatement
    private var insertPosting: SQLStatement

    /// - Parameter events: in the log before what is added.
    init(_ database: Database, _ names: consuming NameNumbers, events: Int64) throws(StoreError) {
        let insertTransaction = try SQLStatement(
            database,
            """
            INSERT INTO ledger_transaction (id, segment, accepted_at, tick, kind, status, reference,
              metadata_pairs, occurred_at, related) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let insertPosting = try SQLStatement(
            database,
            "INSERT INTO posting (id, source, destination, asset, amount) VALUES (?, ?, ?, ?, ?)")
        self.database = database
        self.names = names
        self.events = events
        self.insertTransaction = insertTransaction
        self.insertPosting = insertPosting
    }

    mutating func add(_ segment: FollowedSegment) throws(StoreError) {
        let header = segment.decoded.stored.segment.header
        try insert(segment)
        for event in segment.decoded.events {
            let id = events + 1 + Int64(event.sequence - header.firstSequence)
            let position = segment.decoded.stored.position
            switch event {
            case .event(let event):
                let hasEffect = !segment.note.isQuarantined(event.sequence)
                try insert(segment.note.shown(event), id, position, hasEffect: hasEffect)
            case .unknown(let sequence, let kind):
                try insertUnreadable(id, position, sequence, "an event of the unknown kind \(kind)")
            case .poisoned(let sequence, let error):
                try insertUnreadable(id, position, sequence, "\(error)")
            }
        }
        events += Int64(segment.decoded.events.count)
    }

    /// Whether an event of the span has rows that say it has no effect.
    static func hasWithoutEffect(
        _ span: EventSpan, _ database: Database
    ) throws(StoreError) -> Bool {
        var select = try SQLStatement(
            database,
            """
            SELECT EXISTS (SELECT 1 FROM segment g JOIN stream s ON s.id = g.stream
              LEFT JOIN ledger_transaction t
                ON t.id BETWEEN g.first_transaction + ?1 - g.first_sequence
                  AND g.first_transaction + ?2 - g.first_sequence AND t.status = 0
              LEFT JOIN unreadable u ON u.segment = g.position AND u.sequence BETWEEN ?1 AND ?2
              WHERE s.tag = ?3 AND g.first_sequence <= ?1 AND g.first_sequence + g.events > ?1
                AND (t.id IS NOT NULL OR u.id IS NOT NULL))
            """)
        try select.bind(sequence: span.sequences.lowerBound)
        try select.bind(sequence: span.sequences.upperBound)
        try select.bind(span.stream.description)
        return try select.step() && select.integer(0) != 0
    }

    /// Writes what waits, and how far it has come.
    ///
    /// - Returns: the names, for the next step.
    consuming func finish(position: Int64, hash: Hash256) throws(StoreError) -> NameNumbers {
        try balanceEntries()
        try writeEntries()
        try writeBlocks()
        var update = try SQLStatement(
            database, "UPDATE progress SET position = ?, hash = ?, events = ?")
        try update.bind(position)
        try update.bind(hash)
        try update.bind(events)
        try update.run()
        return names
    }

    // MARK: As they come

    private mutating func insert(_ segment: FollowedSegment) throws(StoreError) {
        let stored = segment.decoded.stored
        var insert = try SQLStatement(
            database,
            """
            INSERT INTO segment (position, stream, first_sequence, events, first_transaction, branch,
              published_at, attempt, received_at, merged_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        try insert.bind(stored.position)
        try insert.bind(try names.number(segment.decoded.stream, database))
        try insert.bind(sequence: stored.segment.header.firstSequence)
        try insert.bind(Int64(stored.segment.header.count))
        try insert.bind(events + 1)
        try insert.bind(
            ifPresent: segment.decoded.isRepeated ? stored.hash.shortDescription : nil)
        try insert.bind(ifPresent: segment.arrival?.publishedAt.microseconds)
        try insert.bind(Int64(segment.arrival?.attempt ?? 1))
        try insert.bind(ifPresent: segment.arrival?.receivedAt.microseconds)
        try insert.bind(stored.recordedAt.microseconds)
        try insert.run()
    }

    private mutating func insert(
        _ event: Event, _ id: Int64, _ position: Int64, hasEffect: Bool
    ) throws(StoreError) {
        let transaction = event.transaction
        let acceptedAt = event.time.time.microseconds
        let tick = event.time.rawValue & (1 << HybridTimestamp.counterBits - 1)
        try insertTransaction.bind(id)
        try insertTransaction.bind(position)
        try insertTransaction.bind(acceptedAt)
        try insertTransaction.bind(Int64(tick))
        try insertTransaction.bind(Int64(transaction.kind.rawValue))
        try insertTransaction.bind(
            hasEffect ? ProjectionSchema.merged : ProjectionSchema.setAside)
        try insertTransaction.bind(ifPresent: transaction.reference)
        try insertTransaction.bind(transaction.metadata.count)
        try insertTransaction.bind(ifPresent: transaction.occurredAt?.microseconds)
        try insertTransaction.bind(ifPresent: transaction.related?.description)
        try insertTransaction.execute()
        for pair in transaction.metadata { try insert(pair, of: id) }
        for (index, posting) in transaction.postings.enumerated() {
            let number = id << ProjectionSchema.postingBits | Int64(index)
            try insert(posting, number, hasEffect: hasEffect)
        }
        let block = id >> ProjectionSchema.blockBits
        let times = blocks[block] ?? acceptedAt...acceptedAt
        blocks[block] = min(times.lowerBound, acceptedAt)...max(times.upperBound, acceptedAt)
    }

    private mutating func insert(
        _ posting: Posting, _ number: Int64, hasEffect: Bool
    ) throws(StoreError) {
        let source = try names.number(posting.source, database)
        let destination = try names.number(posting.destination, database)
        let asset = try names.number(posting.asset, database)
        try insertPosting.bind(number)
        try insertPosting.bind(source)
        try insertPosting.bind(destination)
        try insertPosting.bind(asset)
        try insertPosting.bind(posting.amount.units)
        try insertPosting.execute()
        guard hasEffect else { return }
        let (output, input) = (number << 1, number << 1 | 1)
        let units = posting.amount.units
        entries.append(Entry(account: source, id: output, asset: asset, units: units))
        entries.append(Entry(account: destination, id: input, asset: asset, units: units))
    }

    private borrowing func insert(_ pair: MetadataPair, of id: Int64) throws(StoreError) {
        var insert = try SQLStatement(
            database, "INSERT INTO metadata (ledger_transaction, name, value) VALUES (?, ?, ?)")
        try insert.bind(id)
        try insert.bind(pair.name)
        try insert.bind(pair.value)
        try insert.run()
    }

    private borrowing func insertUnreadable(
        _ id: Int64, _ position: Int64, _ sequence: UInt64, _ reason: String
    ) throws(StoreError) {
        var insert = try SQLStatement(
            database,
            "INSERT INTO unreadable (id, segment, sequence, reason) VALUES (?, ?, ?, ?)")
        try insert.bind(id)
        try insert.bind(position)
        try insert.bind(sequence: sequence)
        try insert.bind(reason)
        try insert.run()
    }

    // MARK: At the end

    /// Gives each entry its balance, and writes the sums behind the last: an account in an asset at a
    /// time.
    private mutating func balanceEntries() throws(StoreError) {
        entries.sort { ($0.account, $0.asset, $0.id) < ($1.account, $1.asset, $1.id) }
        var replace = try SQLStatement(
            database,
            "INSERT OR REPLACE INTO balance (account, asset, input, output) VALUES (?, ?, ?, ?)")
        var index = 0
        while index < entries.count {
            let (account, asset) = (entries[index].account, entries[index].asset)
            var sums = try storedSums(account, asset)
            while index < entries.count, entries[index].account == account,
                entries[index].asset == asset
            {
                let units = Int128(entries[index].units)
                if entries[index].isInput { sums.input += units } else { sums.output += units }
                entries[index].balance = sums.input - sums.output
                index += 1
            }
            try replace.bind(account)
            try replace.bind(asset)
            try replace.bind(sum: sums.input)
            try replace.bind(sum: sums.output)
            try replace.execute()
        }
    }

    private borrowing func storedSums(_ account: Int64, _ asset: Int64) throws(StoreError) -> Sums {
        var select = try SQLStatement(
            database, "SELECT input, output FROM balance WHERE account = ? AND asset = ?")
        try select.bind(account)
        try select.bind(asset)
        guard try select.step() else { return Sums() }
        return Sums(input: try select.sum(0), output: try select.sum(1))
    }

    /// An account's entries stand together in the index of a part, and here.
    private mutating func writeEntries() throws(StoreError) {
        var insert = try SQLStatement(
            database, "INSERT INTO entry (part, account, id, balance) VALUES (?, ?, ?, ?)")
        for part in Set(entries.map(\.part)).sorted() {
            for entry in entries where entry.part == part {
                try insert.bind(part)
                try insert.bind(entry.account)
                try insert.bind(entry.id)
                try insert.bind(sum: entry.balance)
                try insert.execute()
            }
        }
    }

    private borrowing func writeBlocks() throws(StoreError) {
        var upsert = try SQLStatement(
            database,
            """
            INSERT INTO block (id, first_at, last_at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
            SET first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)
            """)
        for (block, times) in blocks {
            try upsert.bind(block)
            try upsert.bind(times.lowerBound)
            try upsert.bind(times.upperBound)
            try upsert.execute()
        }
    }
}
