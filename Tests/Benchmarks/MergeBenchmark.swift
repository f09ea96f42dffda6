import AggregatorCore
import Foundation
import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import Signing
import SyncProtocol
import Workers
import Workload

/// Merging alone: messages as an agent sent them, verified, folded, and made durable, without a network.
enum MergeBenchmark {
    static func measure(_ plan: Plan) throws -> [Figure] {
        let folder = try plan.folder("merge")
        let recording = try Recording(transactions: plan.isQuick ? 100_000 : 2_000_000)
        var seconds = 0.0
        var count = 0
        var pass = 0
        repeat {
            pass += 1
            let merge = try Merge(recording, path: "\(folder)/\(pass).db")
            let start = monotonicNanoseconds()
            try merge.run()
            let taken = Double(monotonicNanoseconds() - start) / 1e9
            try merge.finish()
            // The first pass warms up.
            guard pass > 1 || plan.isQuick else { continue }
            seconds += taken
            count += recording.transactions
        } while seconds < plan.measured.inSeconds && !plan.isQuick
        return [
            Figure(
                .merge, "transactions", Double(count) / seconds, "tx/s", goal: "≥ 3000000",
                note: "1,000 a segment, \(recording.messages.count) messages, signed; one thread")
        ]
    }
}

/// What one agent published, recorded.
private struct Recording {
    private static let perSegment = 1_000

    let genesis: Genesis
    let messages: [[UInt8]]
    let transactions: Int

    init(transactions: Int) throws {
        self.transactions = transactions
        let hasher = SHA256Hasher()
        let signer = Ed25519Signer.generate()
        genesis = Genesis(
            writer: .agent, ledger: "main", agent: try AgentID("bench"),
            nonce: [UInt8](repeating: 7, count: Genesis.nonceByteCount), publicKey: signer.publicKey)
        let hash = genesis.hash(hasher)
        let tag = StreamTag(genesisHash: hash)
        var builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: tag, firstSequence: 1, previous: hash, seen: .nothing, dictionary: .empty),
            dictionary: StreamDictionary())
        let start = HybridTimestamp(WallClock.now())
        let proof = Recording.proof(genesis, signer, hash)
        var messages = [proof]
        var segments: [SealedSegment] = []
        var byteCount = 0
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 4)
        for number in 1...transactions {
            // As if one was accepted each microsecond.
            let time = HybridTimestamp(rawValue: start.rawValue + UInt64(number) << HybridTimestamp.counterBits)
            builder.append(try ledgers.transaction(&random), keyed: nil, trace: nil, time: time)
            guard number % Recording.perSegment == 0 || number == transactions else { continue }
            let (segment, hash) = builder.seal(hasher)
            let size = SegmentsMessage.byteCount(ofSegment: segment.bytes.count)
            if byteCount + size > SegmentsMessage.segmentBytesMax {
                messages.append(Recording.message(segments, tag, signer))
                segments.removeAll()
                byteCount = 0
            }
            segments.append(SealedSegment(segment: segment, hash: hash))
            byteCount += size
        }
        messages.append(Recording.message(segments, tag, signer))
        self.messages = messages
    }
}
