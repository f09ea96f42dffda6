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
            var known: Set<StreamTag> = []
            var model = GlobalLedger()
            var arrived: [(position: Int64, attempt: UInt32)] = []
            var ends: [StreamTag: ChainPoint] = [:]
            var names: [StreamTag: DictionaryState] = [:]
            for _ in 0..<25 {
                let index = random.below(writers.count)
                var segments: [SealedSegment] = []
                for _ in 0...random.below(2) {
                    let transactions = try (0...random.below(3)).map { _ in
                        try random.transaction()
                    }
                    segments.append(writers[index].seal(transactions, &random).segment)
                }
                let tag = writers[index].tag
                let run = SegmentRun(before: names[tag] ?? .empty, segments: segments)
                for sealed in segments {
                    #expect(model.merge(sealed.segment).isEmpty)
                    names[tag] = sealed.segment.header.dictionary
                }
                var commit = HubCommit()
                if known.insert(tag).inserted {
                    commit.streams = [
                        HubCommit.NewStream(
                            genesis: writers[index].genesis, hash: writers[index].hash)
                    ]
                }
                let attempt = UInt32(1 + random.below(5))
                let now = Timestamp(microseconds: Int64(arrived.count))
                commit.arrivals = [
                    HubCommit.Arrival(
                        stream: tag, run: run, publishedAt: now, attempt: attempt, receivedAt: now)
                ]
                if random.oneIn(4) {
                    commit.checkpoint = HubCommit.Checkpoint(
                        balances: model.balances, changedPages: model.takeChangedPages(),
                        counts: model.counts)
                }
                let (positions, _) = try store.commit(commit, now: now)
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
                Digests.state(loaded.fold.ledger.balances, loaded.fold.ledger.counts, hasher)
                    == Digests.state(model.balances, model.counts, hasher), "seed \(seed)")
            #expect(loaded.position == Int64(arrived.count))
            #expect(try store.lastPosition() == Int64(arrived.count))
            for stream in loaded.streams {
                let tag = StreamTag(genesisHash: stream.genesis.hash(hasher))
                let end = ends[tag].map {
                    BranchEnd(point: $0, dictionary: names[tag] ?? .empty)
                }
                #expect(stream.ends == [end], "seed \(seed)")
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

    /// Copies of one folder whose segments are committed in turns; each begins where a random one is.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a forked stream is loaded with all its ends, each with its names`(seed: UInt64) throws {
        try withFolder {
            var random = SplitMix64(seed: seed)
            let genesis = try hub(&random)
            var store = try open(genesis)
            var copies = [
                (
                    writer: try SegmentWriter(agent: "till-1", SHA256Hasher(), &random),
                    end: nil as BranchEnd?
                )
            ]
            var known: Set<StreamTag> = []
            var model = GlobalLedger()
            var highest: UInt64 = 0
            var ids: [EventID: Transaction] = [:]
            for _ in 0..<30 {
                if random.oneIn(4) { copies.append(copies[random.below(copies.count)]) }
                let index = random.below(copies.count)
                let before = copies[index].end?.dictionary ?? .empty
                let (sealed, events) = copies[index].writer.seal(
                    try (0...random.below(3)).map { _ in try random.transaction() }, &random)
                let repeated = sealed.segment.header.firstSequence <= highest ? 1 : 0
                highest = max(highest, sealed.segment.header.lastSequence)
                let tag = copies[index].writer.tag
                for event in events {
                    let branch = repeated == 1 ? sealed.hash.shortDescription : nil
                    let id = EventID(
                        agent: copies[index].writer.genesis.agent, stream: tag,
                        sequence: event.sequence, branch: branch)
                    ids[id] = event.transaction
                }
                copies[index].end = BranchEnd(
                    point: sealed.end, dictionary: sealed.segment.header.dictionary)
                // All copies' names, so that none is missing.
                var commit = HubCommit()
                if known.insert(tag).inserted {
                    commit.streams = [
                        HubCommit.NewStream(
                            genesis: copies[0].writer.genesis, hash: copies[0].writer.hash)
                    ]
                }
                let run = SegmentRun(before: before, segments: [sealed], repeated: repeated)
                let now = Timestamp(microseconds: 1)
                commit.arrivals = [
                    HubCommit.Arrival(
                        stream: tag, run: run, publishedAt: now, attempt: 1, receivedAt: now)
                ]
                _ = model.merge(sealed.segment, behind: before, keepsNames: true)
                commit.branchEnds[tag] = Array(Set(copies.compactMap { $0.end?.point }))
                if random.oneIn(4) {
                    commit.checkpoint = HubCommit.Checkpoint(
                        balances: model.balances, changedPages: model.takeChangedPages(),
                        counts: model.counts)
                }
                _ = try store.commit(commit, now: now)
                guard random.oneIn(5) else { continue }
                #expect(store.close() == nil)
                store = try open(genesis)
            }
            let loaded = try store.load()
            let hasher = SHA256Hasher()
            #expect(
                Digests.state(loaded.fold.ledger.balances, loaded.fold.ledger.counts, hasher)
                    == Digests.state(model.balances, model.counts, hasher), "seed \(seed)")
            let ends = Set(copies.compactMap(\.end))
            #expect(Set(loaded.streams[0].ends) == ends, "seed \(seed)")
            for end in ends {
                let tag = copies[0].writer.tag
                #expect(
                    loaded.fold.ledger.hasNames(of: tag, leadingTo: end.dictionary), "seed \(seed)")
            }
            for (id, transaction) in ids {
                let found = try store.transaction(id)
                #expect(found?.event.transaction == transaction && found?.id == id, "seed \(seed)")
            }
            #expect(store.close() == nil)
        }
    }

    @Test func `a stream whose first events are lost is loaded, and they may still come`() throws {
        try withFolder {
            var random = SplitMix64(seed: 1)
            let genesis = try hub(&random)
            var store = try open(genesis)
            var writer = try SegmentWriter(agent: "till-1", SHA256Hasher(), &random)
            let lost = writer.seal([try random.transaction()], &random).segment
            let kept = writer.seal([try random.transaction()], &random).segment
            let start = ChainPoint(sequence: 0, hash: writer.hash)
            let names = BranchNames(
                state: lost.segment.header.dictionary,
                definitions: try lost.segment.definitions(), bytes: lost.segment.definitionBytes)
            let now = Timestamp(microseconds: 1)
            let run = SegmentRun(before: names.state, segments: [kept], beginsBranch: true)
            var commit = HubCommit()
            commit.streams = [HubCommit.NewStream(genesis: writer.genesis, hash: writer.hash)]
            commit.names = [HubCommit.Names(stream: writer.tag, names: names)]
            commit.arrivals = [
                HubCommit.Arrival(
                    stream: writer.tag, run: run, publishedAt: now, attempt: 1, receivedAt: now)
            ]
            commit.branchEnds[writer.tag] = [start, kept.end]
            _ = try store.commit(commit, now: now)
            #expect(store.close() == nil)
            store = try open(genesis)
            let ends = try store.load().streams[0].ends
            #expect(
                ends == [
                    BranchEnd(point: start, dictionary: .empty),
                    BranchEnd(point: kept.end, dictionary: kept.segment.header.dictionary),
                ])
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
