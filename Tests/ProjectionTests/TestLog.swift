import AggregatorCore
import AggregatorRuntime
import Foundation
import GRDB
import LedgerCore
import LedgerStoreSQLite
import Logging
import Projection
import SegmentStore
import Signing
import SyncProtocol
import Synchronization
import TestSupport

/// A folder of its own for one test, removed with its content at the end.
final class ScratchFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tributary-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch {
            print("left behind: \(path): \(error)")
        }
    }
}

/// What is in the log, as plain values: the model that rows are compared with.
struct LoggedTransaction {
    let id: EventID
    let event: Event
    let mergedAt: Timestamp

    func isAdmitted(by filter: TransactionFilter) -> Bool {
        if let account = filter.account {
            let touches = event.transaction.postings.contains {
                $0.source == account || $0.destination == account
            }
            guard touches else { return false }
        }
        if let agent = filter.agent, agent != id.agent { return false }
        if let reference = filter.reference {
            guard let own = event.transaction.reference,
                own.utf8.elementsEqual(reference.utf8)
            else { return false }
        }
        if filter.status == .setAside { return false }
        return filter.admits(event.time.time)
    }
}

/// An aggregator's store with the streams of a few agents, and what it has been given.
struct TestLog {
    let store: LedgerStore
    let path: String
    private(set) var transactions: [LoggedTransaction] = []
    private var writers: [SegmentWriter] = []
    private var hub: HubStreamWriter
    /// The fold as the merge has it.
    private var ledger = GlobalLedger()
    /// The names that each writer has come to.
    private var names: [DictionaryState] = []
    private var highest: [StreamTag: UInt64] = [:]
    private var known: Set<StreamTag> = []
    private var now = Timestamp(microseconds: 1_770_000_000_000_000)

    init(_ path: String, streams: Int = 3, _ random: inout SplitMix64) throws {
        self.path = path
        let hub = Genesis(
            writer: .hub, ledger: "test", agent: try AgentID("hub"),
            nonce: random.bytes(Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: random.bytes(PublicKey.byteCount)))
        store = try LedgerStore(path: path, hub: hub, hasher: SHA256Hasher())
        self.hub = HubStreamWriter(hub, SHA256Hasher())
        for number in 0..<streams {
            writers.append(try SegmentWriter(agent: "till-\(number)", SHA256Hasher(), &random))
            names.append(.empty)
        }
    }

    /// A writer's folder is copied, and both go on.
    mutating func fork(_ random: inout SplitMix64) {
        let index = random.below(writers.count)
        writers.append(writers[index])
        names.append(names[index])
    }

    /// Commits one segment of a random stream.
    mutating func commit(
        _ transactions: [Transaction], damage: ((inout [UInt8]) -> Void)? = nil,
        _ random: inout SplitMix64
    ) throws {
        let index = random.below(writers.count)
        var writer = writers[index]
        let (whole, events) = writer.seal(transactions, &random)
        var sealed = whole
        if let damage {
            var bytes = sealed.segment.bytes
            damage(&bytes)
            sealed = SealedSegment(segment: try Segment(decoding: bytes), hash: random.hash())
        }
        now = now.advanced(byMicroseconds: 1_000)
        var commit = HubCommit()
        if known.insert(writer.tag).inserted {
            commit.streams = [HubCommit.NewStream(genesis: writer.genesis, hash: writer.hash)]
        }
        let setAside = ledger.merge(sealed.segment, behind: names[index], keepsNames: true)
        commit.hubSegments = hub.quarantine(setAside, of: sealed).map { [$0] } ?? []
        let header = sealed.segment.header
        let isRepeated = header.firstSequence <= highest[writer.tag] ?? 0
        let run = SegmentRun(
            before: names[index], segments: [sealed], repeated: isRepeated ? 1 : 0)
        commit.arrivals = [
            HubCommit.Arrival(
                stream: writer.tag, run: run, publishedAt: now, attempt: 2, receivedAt: now)
        ]
        _ = try store.commit(commit, now: now)
        self.transactions += events.map { event in
            let id = EventID(
                agent: writer.genesis.agent, stream: writer.tag, sequence: event.sequence,
                branch: isRepeated ? sealed.hash.shortDescription : nil)
            return LoggedTransaction(id: id, event: event, mergedAt: now)
        }
        writers[index] = writer
        names[index] = header.dictionary
        highest[writer.tag] = max(highest[writer.tag] ?? 0, header.lastSequence)
    }

    /// Commits some segments of a few random transactions each.
    mutating func grow(segments: Int, _ random: inout SplitMix64) throws {
        for _ in 0..<segments {
            if random.oneIn(20), writers.count < 8 { fork(&random) }
            try commit(try (0...random.below(5)).map { _ in try random.transaction() }, &random)
        }
    }
}

/// A projection with the follower that a test moves by hand.
struct TestProjection {
    let projection: Projection
    var follower: Follower

    init(_ path: String, _ source: any LogSource, _ limits: ProjectionLimits = ProjectionLimits()) {
        projection = Projection(path: path, limits: limits)
        follower = Follower(
            projection, source, Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    mutating func catchUp() throws {
        while try follower.step() == .behind {}
    }

    /// All rows of all tables, as text.
    func dump() throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: projection.path, configuration: configuration)
        return try queue.read { database in
            let tables = try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            return try tables.flatMap { table in
                try Row.fetchAll(database, sql: "SELECT * FROM \(table)").map { "\(table) \($0)" }
                    .sorted()
            }
        }
    }

    func integer(_ sql: String) throws -> Int64? {
        var configuration = Configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: projection.path, configuration: configuration).read {
            try Int64.fetchOne($0, sql: sql)
        }
    }
}

/// A log that fails at the Nth question.
final class FailingSource: LogSource {
    private let source: any LogSource
    private let left: Mutex<Int>

    init(_ source: any LogSource, after questions: Int) {
        self.source = source
        left = Mutex(questions)
    }

    var identity: String { source.identity }

    func lastPosition() throws(StoreError) -> Int64 { try source.lastPosition() }

    func segments(
        after position: Int64, limit: ReadLimit
    ) throws(StoreError) -> [FollowedSegment] {
        let fails = left.withLock { left in
            left -= 1
            return left < 0
        }
        if fails { throw .unavailable("the log cannot be read, for the test's sake") }
        return try source.segments(after: position, limit: limit)
    }
}
