import Foundation
import GRDB
import LedgerCore
import SegmentStore
import Signing
import SyncProtocol

/// A folder of its own for one test, removed with its content at the end.
final class ScratchFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tributary-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    var database: String { "\(path)/log.sqlite" }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch {
            print("left behind: \(path): \(error)")
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A writer of one stream with made-up transactions, and what it has committed.
struct TestStream {
    static let hasher = SHA256Hasher()

    let genesis: Genesis
    let hash: Hash256
    var builder: SegmentBuilder
    var random: SplitMix64
    var clock = HybridClock()
    var row: StreamRow?
    /// Committed, in their order.
    var committed: [(position: Int64, hash: Hash256, segment: Segment)] = []
    var events: [Event] = []

    init(agent: String = "till-001", seed: UInt64) throws {
        random = SplitMix64(state: seed)
        var nonce: [UInt8] = []
        for _ in 0..<Genesis.nonceByteCount {
            nonce.append(UInt8.random(in: 0...255, using: &random))
        }
        genesis = Genesis(
            writer: .agent, ledger: "test", agent: try AgentID(agent), nonce: nonce,
            publicKey: PublicKey(bytes: [UInt8](repeating: 7, count: 32)))
        hash = genesis.hash(TestStream.hasher)
        builder = SegmentBuilder(
            place: .init(
                stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash,
                seen: .nothing,
                dictionary: .empty), dictionary: StreamDictionary())
    }

    /// A transaction that moves an amount between two of a few accounts, every third with a key.
    mutating func nextEvent() throws -> Event {
        let source = try AccountAddress("stores:\(Int.random(in: 0..<12, using: &random))")
        let destination = try AccountAddress("tills:\(Int.random(in: 0..<40, using: &random))")
        let asset = try Asset(["EUR/2", "KWH/3"][Int.random(in: 0..<2, using: &random)])
        let amount = try Amount(Int64.random(in: 1...5000, using: &random))
        let transaction = try Transaction(
            postings: [
                Posting(source: source, destination: destination, asset: asset, amount: amount)
            ],
            reference: String(repeating: "r", count: Int.random(in: 0..<200, using: &random)))
        let sequence = builder.nextSequence
        let keyed = try sequence % 3 == 0 ? key(sequence) : nil
        let time = clock.tick(now: Timestamp(microseconds: Int64(sequence) * 1000))
        return Event(sequence: sequence, time: time, transaction: transaction, keyed: keyed)
    }

    private mutating func key(_ sequence: UInt64) throws -> KeyedRequest {
        KeyedRequest(
            key: try IdempotencyKey(scope: "shop", key: "order-\(sequence)"),
            digest: RequestDigest(high: random.next(), low: random.next()))
    }

    /// - Parameter endless: so many of the last ones are a group that has no end, and no effect.
    mutating func seal(count: Int, endless: Int = 0) throws -> (
        segment: Segment, hash: Hash256, events: [Event]
    ) {
        var events: [Event] = []
        for index in 0..<count {
            let event = try nextEvent()
            let isEndless = index >= count - endless
            builder.append(
                event.transaction, keyed: event.keyed, trace: nil, time: event.time,
                continuesGroup: isEndless)
            if !isEndless { events.append(event) }
        }
        let (segment, hash) = builder.seal(TestStream.hasher)
        return (segment, hash, events)
    }

    /// Writes the stream's row where it is missing, the segment and its keys, as one commit.
    mutating func commit(to database: LogDatabase, count: Int = 3, endless: Int = 0) throws {
        let before = self
        let (segment, hash, events) = try seal(count: count, endless: endless)
        do {
            let (result, durable) = try database.commit {
                [row, genesis, genesisHash = self.hash] database in
                let row = try row ?? SegmentLog.addStream(database, genesis, hash: genesisHash)
                let position = try SegmentLog.append(
                    database, segment, hash: hash, stream: row.id,
                    recordedAt: Timestamp(microseconds: 1))
                for event in events {
                    guard let keyed = event.keyed else { continue }
                    try KeyTable.insert(
                        database, keyed.key,
                        KeyTable.Entry(
                            digest: keyed.digest, stream: row.id, sequence: event.sequence))
                }
                return (row, position)
            }
            row = result.0
            committed.append((durable.position, hash, segment))
            self.events += events
        } catch {
            self = before
            throw error
        }
    }

    /// The balances of all that was committed.
    func balances() -> Balances {
        var balances = Balances()
        for event in events {
            for posting in event.transaction.postings {
                balances.apply(
                    source: balances.intern(posting.source),
                    destination: balances.intern(posting.destination),
                    asset: balances.intern(posting.asset), units: posting.amount.units)
            }
        }
        return balances
    }

    func saveCheckpoint(to database: LogDatabase) throws {
        var balances = balances()
        let pages = balances.takeChangedPages()
        let saved = balances
        let position = committed.last?.position ?? 0
        _ = try database.commit { database in
            try FoldCheckpoint.save(
                database, saved, changedPages: pages, position: position,
                transactions: Int64(events.count))
        }
    }
}

/// All that a test of damage needs: a closed database with a stream, a checkpoint and keys.
func makeLog(_ folder: ScratchFolder, seed: UInt64, segments: Int) throws -> TestStream {
    let database = try LogDatabase(path: folder.database, migrations: [])
    var stream = try TestStream(seed: seed)
    for _ in 0..<segments { try stream.commit(to: database) }
    try stream.saveCheckpoint(to: database)
    if let failure = database.close() { throw failure }
    return stream
}

func verify(_ path: String) throws -> VerifyReport {
    try LogVerifier(hasher: SHA256Hasher()).verify(database: path)
}
