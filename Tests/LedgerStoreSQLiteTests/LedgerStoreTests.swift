import AggregatorCore
import Foundation
import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import Signing
import SyncProtocol
import TestSupport
import Testing

@Suite struct LedgerStoreTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "tributary-test-\(UUID().uuidString)"
    ).path

    /// Runs the body with a folder of its own, removed at the end.
    private func withFolder(_ body: () throws -> Void) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do {
            try body()
            try FileManager.default.removeItem(atPath: folder)
        } catch {
            print("what is left of it: \(folder)")
            throw error
        }
    }

    private func open(_ genesis: Genesis) throws -> LedgerStore {
        try LedgerStore(path: "\(folder)/log.db", hub: genesis, hasher: SHA256Hasher())
    }

    private func hub(_ random: inout SplitMix64, ledger: String = "test") throws -> Genesis {
        Genesis(
            writer: .hub, ledger: ledger, agent: try AgentID("hub"),
            nonce: random.bytes(Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: random.bytes(PublicKey.byteCount)))
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `what was committed is what a start loads, with checkpoints and without`(
        seed: UInt64
    ) throws {
        try withFolder {
            var random = SplitMix64(seed: seed)
            let genesis = try hub(&random)
            var store = try open(genesis)
            var writers = try (0..<3).map {
                try SegmentWriter(agent: "till-\($0)", SHA256Hasher(), &random)
            }
            var rows: [StreamTag: StreamRow] = [:]
            var model = GlobalLedger()
            var arrived: [(position: Int64, attempt: UInt32)] = []
            var ends: [StreamTag: ChainPoint] = [:]
            for _ in 0..<25 {
                let index = random.below(writers.count)
                var segments: [SealedSegment] = []
                for _ in 0...random.below(2) {
                    let transactions = try (0...random.below(3)).map { _ in
                        try random.transaction()
                    }
                    segments.append(writers[index].seal(transactions, &random).segment)
                }
                for sealed in segments { #expect(model.merge(sealed.segment).isEmpty) }
                let tag = writers[index].tag
                var commit = LedgerStore.Commit()
                if rows[tag] == nil {
                    commit.streams = [
                        LedgerStore.NewStream(
                            genesis: writers[index].genesis, hash: writers[index].hash)
                    ]
                }
                let attempt = UInt32(1 + random.below(5))
                let now = Timestamp(microseconds: Int64(arrived.count))
                commit.arrivals = [
                    LedgerStore.Arrival(
                        stream: tag, segments: segments, publishedAt: now, attempt: attempt,
                        receivedAt: now)
                ]
                if random.oneIn(4) {
                    commit.checkpoint = LedgerStore.Checkpoint(
                        balances: model.balances, changedPages: model.takeChangedPages(),
                        counts: model.counts)
                }
                let (positions, _) = try store.commit(commit, rows: &rows, now: now)
                ends[tag] = segments.last?.end
                arrived += segments.indices.map {
                    (position: positions[0] + Int64($0), attempt: attempt)
                }
                guard random.oneIn(5) else { continue }
                #expect(store.close() == nil)
                store = try open(genesis)
            }
            let loaded = try store.load()
            let hasher = SHA256Hasher()
            #expect(
                Digests.state(loaded.ledger.balances, loaded.ledger.counts, hasher)
                    == Digests.state(model.balances, model.counts, hasher), "seed \(seed)")
            #expect(loaded.position == Int64(arrived.count))
            #expect(try store.lastPosition() == Int64(arrived.count))
            for stream in loaded.streams {
                #expect(stream.end == ends[stream.row.tag], "seed \(seed)")
            }
            try expectArrivals(arrived, store, &random, seed)
            #expect(store.close() == nil)
        }
    }

    private func expectArrivals(
        _ arrived: [(position: Int64, attempt: UInt32)], _ store: LedgerStore,
        _ random: inout SplitMix64, _ seed: UInt64
    ) throws {
        for _ in 0..<10 {
            let first = Int64(1 + random.below(arrived.count))
            let last = first + Int64(random.below(arrived.count - Int(first) + 1))
            let found = try store.arrivals(of: first...last)
            for (position, attempt) in arrived where (first...last).contains(position) {
                let arrival = found.last { $0.firstPosition <= position }
                #expect(arrival?.attempt == attempt, "seed \(seed), \(position)")
            }
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `the judge behind any position sets aside what the whole fold sets aside`(
        seed: UInt64
    ) throws {
        try withFolder {
            var random = SplitMix64(seed: seed)
            let store = try open(try hub(&random))
            var writer = try SegmentWriter(agent: "till-1", SHA256Hasher(), &random)
            var rows: [StreamTag: StreamRow] = [:]
            var fold = GlobalLedger()
            var segments: [(segment: Segment, setAside: [ReadEvent])] = []
            for number in 0..<12 {
                let transactions = try (0...random.below(3)).map { _ in try random.transaction() }
                var sealed = writer.seal(transactions, &random).segment
                var parts = SegmentBytes(sealed.segment)
                if random.oneIn(2), let range = parts.eventRanges().randomElement(using: &random) {
                    random.damage(&parts.events, in: range)
                    if let damaged = try? Segment(decoding: parts.assembled()) {
                        sealed = SealedSegment(segment: damaged, hash: random.hash())
                    }
                }
                segments.append((sealed.segment, fold.merge(sealed.segment)))
                var commit = LedgerStore.Commit()
                if number == 0 {
                    commit.streams = [
                        LedgerStore.NewStream(genesis: writer.genesis, hash: writer.hash)
                    ]
                }
                let now = Timestamp(microseconds: 1)
                commit.arrivals = [
                    LedgerStore.Arrival(
                        stream: writer.tag, segments: [sealed], publishedAt: now, attempt: 1,
                        receivedAt: now)
                ]
                _ = try store.commit(commit, rows: &rows, now: now)
            }
            for start in segments.indices {
                var judge = try store.judge(after: Int64(start))
                for (segment, setAside) in segments[start...] {
                    #expect(judge.merge(segment) == setAside, "seed \(seed), from \(start)")
                }
            }
            #expect(store.close() == nil)
        }
    }

    @Test func `a folder of another ledger is refused`() throws {
        try withFolder {
            var random = SplitMix64(seed: 1)
            let (own, other) = (try hub(&random), try hub(&random, ledger: "other"))
            let store = try open(own)
            #expect(store.close() == nil)
            #expect(throws: StoreError.self) { try open(other) }
        }
    }
}
