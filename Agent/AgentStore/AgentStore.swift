import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol
import Synchronization

/// The agent's database: the log of its stream, its receipts, and the checkpoints of its folds.
///
/// **Overview.** One thread writes, through `commit`; any thread reads. What a commit wrote is
/// durable when it returns. The balances and keys live in memory; `commit` writes their checkpoint
/// now and then, and `load` replays what lies behind it.
package final class AgentStore: Sendable {
    package let agent: AgentID
    package let ledger: String
    package let stream: StreamRow
    package let genesis: Genesis
    package let reader: LogReader
    let database: LogDatabase
    /// What opening has read, for the first `load`; nil once something was written.
    private let firstLook: Mutex<Loaded?>

    /// What only a new folder needs.
    package struct Founding: Sendable {
        package var nonce: [UInt8]
        package var publicKey: PublicKey

        package init(nonce: [UInt8], publicKey: PublicKey) {
            self.nonce = nonce
            self.publicKey = publicKey
        }
    }

    /// Opens the folder's database, and founds its stream when it has none.
    ///
    /// - Throws: `StoreError`; `refused` where the folder belongs to another agent or ledger, or
    ///   the key is not the stream's.
    package init(
        path: String, options: LogOptions = LogOptions(), agent: AgentID, ledger: String,
        founding: Founding,
        hasher: any ContentHasher
    ) throws(StoreError) {
        var firstLook: Loaded?
        let database = try LogDatabase(
            path: path, options: options, migrations: AgentTables.migrations
        ) { database, isCurrent in
            let stream = try AgentStore.own(agent, ledger, founding, database)
            try FoundingMark.check(path, holds: stream)
            // All that a start reads is read before anything is written: what it finds damaged
            // stays as it is.
            if let stream, isCurrent { firstLook = try AgentStore.load(stream, database) }
        }
        let existing = try database.read { database in
            try AgentStore.own(agent, ledger, founding, database)
        }
        let stream =
            if let existing { existing } else {
                try AgentStore.found(agent, ledger, founding, database, hasher)
            }
        try FoundingMark.keep(stream, beside: path)
        self.firstLook = Mutex(firstLook)
        self.agent = agent
        self.ledger = ledger
        self.stream = stream
        genesis = stream.genesis
        self.database = database
        reader = LogReader(database, hasher: hasher)
    }

    /// The stream that the folder writes; nil where there is none yet.
    ///
    /// - Throws: `refused` where folder and key are another's.
    private static func own(
        _ agent: AgentID, _ ledger: String, _ founding: Founding, _ database: Database
    ) throws -> StreamRow? {
        guard try Identity.isThere(database), let identity = try Identity.find(database) else {
            return nil
        }
        guard identity.agent == agent.description else {
            throw InvalidValue(
                "this data folder belongs to agent \(identity.agent), not to \(agent)")
        }
        guard identity.ledger == ledger else {
            throw InvalidValue(
                "this data folder belongs to ledger \(identity.ledger), not to \(ledger)")
        }
        let streams = try SegmentLog.streams(database)
        guard let stream = streams.first(where: { $0.id.rawValue == identity.stream }) else {
            throw StoreError.corrupt(
                place: "table identity", detail: "stream \(identity.stream) is not in table streams"
            )
        }
        guard stream.genesis.publicKey == founding.publicKey else {
            throw InvalidValue("device.key is not the key that this folder's stream began with")
        }
        return stream
    }

    private static func found(
        _ agent: AgentID, _ ledger: String, _ founding: Founding, _ database: LogDatabase,
        _ hasher: any ContentHasher
    ) throws(StoreError) -> StreamRow {
        let genesis = Genesis(
            writer: .agent, ledger: ledger, agent: agent, nonce: founding.nonce,
            publicKey: founding.publicKey)
        return try database.commit { database in
            let stream = try SegmentLog.addStream(database, genesis, hash: genesis.hash(hasher))
            try Identity(
                agent: agent.description, ledger: ledger, stream: stream.id.rawValue, lastSession: 0
            )
            .insert(database)
            return stream
        }.value
    }

    /// - Returns: what went wrong, if anything; nothing committed is lost by it.
    package func close() -> StoreError? {
        database.close()
    }

    /// Whether the disk failed in a way after which nothing may be written until the database is
    /// opened again.
    package var isBroken: Bool { database.isBroken }

    // MARK: Starting

    /// Everything a start needs: the folds at their checkpoint, brought up to the end of the log.
    package struct Loaded: Sendable {
        package var origin: AdmissionOrigin
        package var lastSession: UInt64
        package var acknowledged: UInt64
        package var oldestRetained: UInt64
        package var merged: [MergedBalances.Place: MergedBalances.Others]
    }

    package func load() throws(StoreError) -> Loaded {
        if let loaded = firstLook.withLock({ $0.take() }) { return loaded }
        return try database.read { [stream] database in
            // What is pruned has moved on since the folder was opened, where this loads anew.
            let stream = try SegmentLog.stream(database, genesisHash: stream.genesisHash) ?? stream
            return try AgentStore.load(stream, database)
        }
    }

    private static func load(_ stream: StreamRow, _ database: Database) throws -> Loaded {
        var replay = try Replay(stream, database)
        try replay.run(database)
        var origin = replay.origin(stream)
        origin.latest = max(origin.latest, try PromisedTime.find(database))
        let pruned = stream.pruned?.through ?? 0
        return Loaded(
            origin: origin, lastSession: try Identity.lastSession(database),
            acknowledged: max(try ReceiptTable.acknowledged(database), pruned),
            oldestRetained: pruned + 1, merged: try MergedTable.load(database))
    }

    /// To be called before anything is written that `load` reads.
    func forgetFirstLook() {
        firstLook.withLock { $0 = nil }
    }

    // MARK: Writing (one thread)

    /// What one transaction writes.
    package struct Commit: Sendable {
        package var segments: [SealedSegment] = []
        package var receipts: [Receipt] = []
        package var lastSession: UInt64?
        /// No event will have a time up to this one any more.
        package var promisedTime: HybridTimestamp?
        package var checkpoint: Checkpoint?
        package var merged: [MergedBalances.Place: MergedBalances.Others] = [:]

        package init() {}

        package var isEmpty: Bool {
            segments.isEmpty && receipts.isEmpty && lastSession == nil && promisedTime == nil
                && checkpoint == nil && merged.isEmpty
        }
    }

    /// The folds as they stand behind the commit's segments.
    package struct Checkpoint: Sendable {
        package var balances: Balances
        package var changedPages: [Int]
        package var keys: [IdempotencyKey: KeyRecord]
        /// Applied so far.
        package var transactions: Int64

        package init(
            balances: Balances, changedPages: [Int], keys: [IdempotencyKey: KeyRecord],
            transactions: Int64
        ) {
            self.balances = balances
            self.changedPages = changedPages
            self.keys = keys
            self.transactions = transactions
        }
    }

    /// Writes it all, or nothing; durable when it returns.
    package func commit(_ commit: Commit, now: Timestamp) throws(StoreError) -> Durable {
        forgetFirstLook()
        // What was accepted must still be acknowledged when there is no room for anything new.
        return try database.commit(usingReserve: commit.segments.isEmpty) { [stream] database in
            for sealed in commit.segments {
                try SegmentLog.append(
                    database, sealed.segment, hash: sealed.hash, stream: stream.id, recordedAt: now)
            }
            for receipt in commit.receipts { try ReceiptTable.insert(receipt, database) }
            if let session = commit.lastSession { try Identity.setLastSession(session, database) }
            if !commit.merged.isEmpty { try MergedTable.save(commit.merged, database) }
            if let time = commit.promisedTime { try PromisedTime.save(time, database) }
            if let checkpoint = commit.checkpoint { try write(checkpoint, database) }
        }.durable
    }

    private func write(_ checkpoint: Checkpoint, _ database: Database) throws {
        try FoldCheckpoint.save(
            database, checkpoint.balances, changedPages: checkpoint.changedPages,
            position: try SegmentLog.lastPosition(database), transactions: checkpoint.transactions)
        // In the order of the table's key, so that neighbours share a page.
        for (key, record) in checkpoint.keys.sorted(by: { $0.key.key < $1.key.key }) {
            let entry = KeyTable.Entry(
                digest: record.digest, stream: stream.id, sequence: record.sequence)
            try KeyTable.insert(database, key, entry, time: record.time)
        }
    }

    // MARK: Reading

    package func keyRecord(_ key: IdempotencyKey) throws(StoreError) -> KeyRecord? {
        let found = try database.read { try KeyTable.find($0, key) }
        return found.map { KeyRecord(sequence: $0.sequence, digest: $0.digest) }
    }

    /// The segments behind an event, oldest first, in at most so many bytes as one message carries.
    package func segments(after sequence: UInt64, byteCountMax: Int) throws(StoreError)
        -> [StoredSegment]
    {
        let limit = ReadLimit(segments: SegmentsMessage.segmentsMax, bytes: byteCountMax)
        let found = try database.read { [stream] in
            try SegmentLog.segments($0, of: stream.id, from: sequence + 1, limit: limit)
        }
        var bytes = 0
        let fitting = found.prefix { stored in
            bytes += SegmentsMessage.byteCount(ofSegment: stored.segment.bytes.count)
            return bytes <= byteCountMax
        }
        return Array(fitting)
    }

    /// The end of the chain behind an event, where its bytes are no more than the limit; else an
    /// empty one that begins at the head.
    package func tail(after sequence: UInt64, head: UInt64, byteCountMax: Int) throws(StoreError)
        -> OwnTail
    {
        let found = try segments(after: sequence, byteCountMax: byteCountMax)
        let isWhole = found.isEmpty ? head == sequence : found.last?.end.sequence == head
        guard isWhole, found.isEmpty || found[0].segment.header.firstSequence == sequence + 1 else {
            return OwnTail(head: head, byteCountMax: byteCountMax)
        }
        var tail = OwnTail(head: sequence, byteCountMax: byteCountMax)
        for stored in found { tail.append(stored.segment) }
        return tail
    }

    /// The highest of these places that is in our chain, and the bytes of the segments behind it.
    package func locate(_ places: [ChainPoint]) throws(StoreError) -> (
        found: ChainPoint?, bytesBehind: UInt64
    ) {
        try database.read { database in
            let found = try places.sorted { $0.sequence > $1.sequence }.first {
                try isInChain($0, database)
            }
            return (found, try byteCount(after: found?.sequence ?? 0, database))
        }
    }

    /// Whether our chain passes through a place, as far as this log can say: of a place within what
    /// is pruned it cannot, and the aggregator held our chain beyond it.
    package func passes(_ place: ChainPoint) throws(StoreError) -> Bool {
        try database.read { database in
            if let pruned = try pruned(database), place.sequence < pruned.through,
                place.sequence > 0
            {
                return true
            }
            return try isInChain(place, database)
        }
    }

    /// What the segments behind an event take.
    package func byteCount(after sequence: UInt64) throws(StoreError) -> UInt64 {
        try database.read { try byteCount(after: sequence, $0) }
    }

    private func byteCount(after sequence: UInt64, _ database: Database) throws -> UInt64 {
        let sum = try Int64.fetchOne(
            database,
            sql:
                "SELECT coalesce(sum(length(bytes)), 0) FROM segments WHERE stream = ? AND first_seq > ?",
            arguments: [stream.id.rawValue, Int64(bitPattern: sequence)])
        return UInt64(sum ?? 0)
    }

    private func isInChain(_ place: ChainPoint, _ database: Database) throws -> Bool {
        if place.sequence == 0 { return place.hash == stream.genesisHash }
        if let pruned = try pruned(database), pruned.through == place.sequence {
            return pruned.hash == place.hash
        }
        let stored = try SegmentLog.segment(database, of: stream.id, containing: place.sequence)
        return stored.map { $0.end == place } ?? false
    }

    package func segment(containing sequence: UInt64) throws(StoreError) -> StoredSegment? {
        try database.read { [stream] in
            try SegmentLog.segment($0, of: stream.id, containing: sequence)
        }
    }

    /// An event with the segment that it stands in.
    package struct FoundEvent: Sendable {
        package let event: Event
        package let stored: StoredSegment
    }

    /// - Returns: nil for a number that this log does not have.
    package func event(_ sequence: UInt64) throws(StoreError) -> FoundEvent? {
        guard let stored = try segment(containing: sequence),
            case .event(let event)? = try reader.event(stream: stream.id, sequence: sequence)?.event
        else { return nil }
        return FoundEvent(event: event, stored: stored)
    }

    /// The events of those numbers, as far as this log has them. A segment is read once, however many
    /// of them stand in it.
    package func events(at sequences: [UInt64]) throws(StoreError) -> [UInt64: Event] {
        var found: [UInt64: Event] = [:]
        let wanted = Set(sequences)
        var through: UInt64 = 0
        for sequence in wanted.sorted() where sequence > through {
            guard let stored = try segment(containing: sequence) else { continue }
            through = stored.segment.header.lastSequence
            try reader.segments(before: stored.position + 1, limit: ReadLimit(segments: 1)) {
                for case .event(let event) in $0.events where wanted.contains(event.sequence) {
                    found[event.sequence] = event
                }
                return .stop
            }
        }
        return found
    }

    /// The events of the group that begins with that number, or the one event where it begins none;
    /// empty where this log does not have them.
    package func group(from first: UInt64) throws(StoreError) -> [Event] {
        var group: [Event] = []
        guard let stored = try segment(containing: first) else { return [] }
        try reader.segments(before: stored.position + 1, limit: ReadLimit(segments: 1)) { decoded in
            for case .event(let event) in decoded.events where event.sequence >= first {
                group.append(event)
                if !event.continuesGroup { break }
            }
            return .stop
        }
        return group
    }

    /// How many segments a listing reads at a time.
    private static let listingReadLimit = ReadLimit(segments: 16)

    /// Events before a number, the newest first, as far back as they are kept.
    ///
    /// - Parameter segmentsMax: how many segments to look through before answering with what was
    ///   found.
    /// - Returns: the events, and where the next part begins; nil at the end.
    package func events(
        before: UInt64, limit: Int, segmentsMax: Int, where admits: (Event) -> Bool
    ) throws(StoreError) -> (events: [Event], next: UInt64?) {
        let oldest = try oldestRetained()
        guard before > oldest else { return ([], nil) }
        var found: [Event] = []
        var next = before
        var segments = 0
        try reader.segments(
            before: try position(behind: before), limit: AgentStore.listingReadLimit
        ) { decoded in
            for case .event(let event) in decoded.events.reversed() where event.sequence < before {
                guard admits(event) else { continue }
                found.append(event)
                next = event.sequence
                if found.count == limit { return .stop }
            }
            next = decoded.stored.segment.header.firstSequence
            segments += 1
            return segments == segmentsMax ? .stop : .next
        }
        return (found, next > oldest && next != before ? next : nil)
    }

    /// The first position of the log that lies behind all events before `sequence`.
    private func position(behind sequence: UInt64) throws(StoreError) -> Int64 {
        guard sequence > 1, let stored = try segment(containing: sequence - 1) else { return .max }
        return stored.position + 1
    }

    package func receipt(covering sequence: UInt64) throws(StoreError) -> Receipt? {
        try database.read { try ReceiptTable.find(covering: sequence, $0) }
    }

    /// All definitions from a number on, for an aggregator that lost them.
    package func definitions(from first: UInt32, through last: UInt32) throws(StoreError)
        -> [Definition]
    {
        let rows = try database.read { [stream] in try SegmentLog.definitions($0, of: stream.id) }
        var all: [Definition] = []
        for row in rows { all += try row.definitions() }
        return Array(all.dropFirst(Int(first)).prefix(Int(last) - Int(first)))
    }
}
