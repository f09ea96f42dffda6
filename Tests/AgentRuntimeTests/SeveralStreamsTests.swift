import AgentCore
import AgentStore
import Foundation
import LedgerCore
import SegmentStore
import Signing
@_spi(Durability) import SyncProtocol
import TestSupport
import Testing

/// A data folder that went on in another stream: what is of the folder, and what is of each stream.
@Suite struct SeveralStreamsTests {
    private let now = Timestamp(microseconds: 1_760_000_000_000_000)

    /// An agent's folder with the parts of the commit thread around it.
    private final class Folder {
        let path = NSTemporaryDirectory() + "tributary-streams-\(UUID().uuidString)"
        let signer = Ed25519Signer.generate()
        let hasher = SHA256Hasher()
        var random = SplitMix64(seed: 7)
        var store: AgentStore
        var loaded: AgentStore.Loaded
        private var admission: Admission<Int>

        init() throws {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
            (store, loaded) = try Folder.open(path, signer, &random)
            admission = Admission(loaded.origin, hasher: hasher)
        }

        deinit {
            _ = store.close()
            try? FileManager.default.removeItem(atPath: path)
        }

        private static func open(
            _ path: String, _ signer: Ed25519Signer, _ random: inout SplitMix64
        ) throws -> (AgentStore, AgentStore.Loaded) {
            let founding = AgentStore.Founding(
                nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
            let store = try AgentStore(
                path: "\(path)/agent.db", agent: try AgentID("till-1"), ledger: "main",
                founding: founding, hasher: SHA256Hasher(),
                now: Timestamp(microseconds: 1_760_000_000_000_000))
            return (store, try store.load())
        }

        func restart() throws {
            #expect(store.close() == nil)
            (store, loaded) = try Folder.open(path, signer, &random)
            admission = Admission(loaded.origin, hasher: hasher)
        }

        var balances: Balances { admission.balances }
        var stream: StreamTag { admission.stream }
        var nextTime: HybridTimestamp? {
            admission.promiseTime(
                acknowledged: admission.head.sequence, now: Timestamp(microseconds: 0))
        }

        @discardableResult
        func record(_ amounts: [Int64], key: String? = nil, checkpoint: Bool = false) throws
            -> [Outcome]
        {
            let submissions = try amounts.map { amount in
                let posting = Posting(
                    source: .world, destination: try AccountAddress("till:\(amount)"),
                    asset: try Asset("EUR/2"), amount: try Amount(amount))
                let keyed = try key.map {
                    KeyedRequest(
                        key: try IdempotencyKey(scope: "till-1", key: "\($0)-\(amount)"),
                        digest: RequestDigest(high: 0, low: UInt64(amount)))
                }
                return Submission(try Transaction(postings: [posting]), keyed: keyed)
            }
            let store = store
            try admission.submit(
                submissions, waiter: 0, now: Timestamp(microseconds: 1_760_000_000_000_000)
            ) { try store.keyRecord($0) }
            var commit = AgentCommit()
            commit.segments = admission.seal()
            if checkpoint {
                let taken = admission.takeCheckpoint()
                commit.checkpoint = AgentCommit.Checkpoint(
                    balances: admission.balances, changedPages: taken.changedPages,
                    keys: taken.keys, transactions: admission.transactions)
            }
            guard !commit.isEmpty else { return admission.settled().flatMap(\.1) }
            let durable = try store.commit(commit, now: Timestamp(microseconds: 1))
            return admission.persisted(commit.segments, durable).flatMap(\.1)
        }

        func draw(_ cause: StreamEnd.Cause = .rolledBack) throws {
            let record = try store.draw(
                nonce: random.bytes(Genesis.nonceByteCount),
                StreamEnd(cause, detail: "because", at: Timestamp(microseconds: 5)))
            admission.draw(
                SegmentBuilder.Place(
                    stream: record.tag, firstSequence: 1, previous: record.genesisHash,
                    seen: .nothing, dictionary: .empty))
        }

        func acknowledge(_ stream: StreamTag, _ range: ClosedRange<UInt64>, at: Int64 = 9) throws {
            var commit = AgentCommit()
            let at = Timestamp(microseconds: at)
            let through = ChainPoint(sequence: range.upperBound, hash: .zero)
            let hub = StreamTag(genesisHash: .zero)
            let receipt = Receipt(
                stream: stream, first: range.lowerBound, through: through, hub: hub, position: 3,
                publishedAt: nil, attempt: 1, acknowledgedAt: at, receivedAt: at, committedAt: at,
                waitedFor: "")
            commit.acknowledged = [
                Acknowledged(
                    stream: stream, receipts: [receipt], placements: [], through: through,
                    at: LogPlace(hub: hub, position: 3), clock: HybridTimestamp(rawValue: 0))
            ]
            commit.sessions[stream] = 4
            _ = try store.commit(commit, now: at)
        }

        func verify() throws -> VerifyReport {
            #expect(store.close() == nil)
            return try LogVerifier(hasher: hasher).verify(database: "\(path)/agent.db")
        }
    }

    private func place(_ stream: StreamTag, _ sequence: UInt64) -> EventPlace {
        EventPlace(stream: stream, sequence: sequence)
    }

    @Test(arguments: [false, true])
    func `balances, keys and times are of all streams, also over a restart`(checkpoint: Bool)
        throws
    {
        let folder = try Folder()
        let first = folder.stream
        try folder.record([10, 20], key: "a", checkpoint: checkpoint)
        let time = try #require(folder.nextTime)
        try folder.draw()
        let second = folder.stream
        #expect(first != second)
        try folder.record([10, 30], key: "b", checkpoint: checkpoint)
        for _ in 0..<2 {
            let again = try folder.record([20], key: "a") + folder.record([30], key: "b")
            #expect(again == [.replayed(place(first, 2)), .replayed(place(second, 2))])
            let till = folder.balances.sums(
                of: try AccountAddress("till:10"), in: try Asset("EUR/2"))
            #expect(till.input == 20)
            #expect(try #require(folder.nextTime) > time)
            try folder.restart()
            #expect(folder.stream == second && folder.loaded.origin.transactions == 4)
        }
        let report = try folder.verify()
        #expect(report.isSound && report.events == 4 && report.streams == 2, "\(report.findings)")
    }

    @Test func `a former stream keeps its head, sessions, receipts and why it ended`() throws {
        let folder = try Folder()
        let first = folder.stream
        try folder.record([1, 2, 3])
        try folder.acknowledge(first, 1...2)
        try folder.draw(.forked)
        let second = folder.stream
        try folder.acknowledge(first, 3...3)
        try folder.record([4])
        try folder.restart()
        let records = folder.loaded.streams
        #expect(records.map(\.tag) == [first, second] && folder.loaded.writing.tag == second)
        #expect(records.map(\.acknowledged) == [3, 0] && records.map(\.lastSession) == [4, 0])
        #expect(records.map(\.head.sequence) == [3, 1] && records[1].bytesBehind > 0)
        let end = StreamEnd(.forked, detail: "because", at: Timestamp(microseconds: 5))
        #expect(records[0].end == end && records[1].end == nil)
        #expect(try folder.store.receipt(covering: place(first, 3))?.first == 3)
        #expect(try folder.store.receipt(covering: place(second, 1)) == nil)
    }

    @Test func `events of all streams are found by their places, and listed newest first`() throws {
        let folder = try Folder()
        var streams: [StreamTag] = []
        for round in 0..<3 as Range<Int64> {
            streams.append(folder.stream)
            try folder.record([round * 2 + 1])
            try folder.record([round * 2 + 2])
            if round < 2 { try folder.draw() }
        }
        let all = streams.flatMap { [place($0, 1), place($0, 2)] }
        for (index, place) in all.enumerated() {
            let found = try folder.store.event(place)?.event.transaction.postings[0].amount.units
            #expect(found == Int64(index + 1))
        }
        #expect(try folder.store.events(at: all).count == 6)
        #expect(try folder.store.event(place(streams[0], 3)) == nil)
        for pageMax in 1...7 {
            var listed: [EventPlace] = []
            var before: EventPlace?
            repeat {
                let page = try folder.store.events(
                    before: before, limit: pageMax, segmentsMax: 100
                ) { _ in true }
                listed += page.events.map(\.place)
                before = page.next
            } while before != nil
            #expect(listed == all.reversed(), "pages of \(pageMax)")
        }
    }

    @Test func `outcomes are told in the order of their receipts, whichever stream they are of`()
        throws
    {
        let folder = try Folder()
        let first = folder.stream
        #expect(try folder.store.lastOutcome() == place(first, 0))
        try folder.record([1, 2, 3, 4])
        try folder.acknowledge(first, 1...2)
        try folder.draw()
        let second = folder.stream
        try folder.record([5, 6])
        try folder.acknowledge(second, 1...2)
        try folder.acknowledge(first, 3...4)
        let places =
            [place(first, 1), place(first, 2), place(second, 1), place(second, 2)]
            + [place(first, 3), place(first, 4)]
        #expect(try folder.store.lastOutcome() == places[5])
        #expect(try folder.store.lastOutcome(of: second) == 2)
        #expect(try folder.store.lastOutcome(of: StreamTag(genesisHash: .zero)) == nil)
        for (index, start) in ([place(first, 0)] + places).enumerated() {
            let page = try folder.store.outcomes(after: start, eventsMax: 100)
            let told = page.runs.flatMap { run in
                (run.first...run.through).map { place(run.stream, $0) }
            }
            #expect(told == Array(places[index...]) && page.missing == nil, "after \(start)")
        }
    }

    @Test func `each stream is pruned for itself, and its keys too`() throws {
        let folder = try Folder()
        let first = folder.stream
        try folder.record([1, 2], key: "a", checkpoint: true)
        try folder.draw()
        let second = folder.stream
        try folder.record([3], key: "b", checkpoint: true)
        try folder.record([4], key: "b", checkpoint: true)
        let pruning = try folder.store.prune(first, through: 2, limit: ReadLimit())
        guard case .pruned(2, _, _) = pruning else { return #expect(Bool(false), "\(pruning)") }
        #expect(try folder.store.oldestRetained(of: first) == 3)
        #expect(try folder.store.oldestRetained(of: second) == 1)
        #expect(try folder.store.pruneKeys(of: first, through: 2, after: nil, keysMax: 9) != nil)
        #expect(try folder.record([1], key: "a") != [.replayed(place(first, 1))])
        #expect(try folder.record([3], key: "b") == [.replayed(place(second, 1))])
        let listed = try folder.store.events(before: nil, limit: 9, segmentsMax: 9) { _ in true }
        #expect(listed.events.last?.place == place(second, 1) && listed.next == nil)
        try folder.restart()
        #expect(folder.loaded.streams[0].keptBehind.sequence == 2)
        #expect(folder.loaded.streams[0].head.sequence == 2)
        #expect(try folder.verify().isSound)
    }

    @Test func `marks of retention are kept for each stream`() throws {
        let folder = try Folder()
        let first = folder.stream
        try folder.draw()
        let mark = RetentionMarks.Mark(through: 7, elapsed: 3)
        let saved = Retention.Saved(
            clock: RetentionClock.Saved(elapsed: 9, wall: now),
            marks: [
                first: Retention.Marks(segments: [mark]),
                folder.stream: Retention.Marks(segments: [mark], keys: [mark]),
            ])
        try folder.store.save(saved)
        #expect(try folder.store.retention() == saved)
    }

    @Test func `the mark of the founding is that of the first stream, and stays`() throws {
        let folder = try Folder()
        let mark = try String(contentsOfFile: "\(folder.path)/agent.founded", encoding: .utf8)
        #expect(mark.hasPrefix(folder.stream.description))
        try folder.draw()
        try folder.restart()
        #expect(
            try String(contentsOfFile: "\(folder.path)/agent.founded", encoding: .utf8) == mark)
        // An emptied database is no new one.
        #expect(folder.store.close() == nil)
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(folder.path)/agent.db\(suffix)")
        }
        #expect(throws: StoreError.self) { try folder.restart() }
    }
}
