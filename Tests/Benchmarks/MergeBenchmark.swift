import AggregatorCore
import Foundation
import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import Signing
import SyncProtocol
import Workers

import struct Workload.SplitMix64

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
    let signer: Ed25519Signer
    let messages: [[UInt8]]
    let transactions: Int

    init(transactions: Int) throws {
        self.transactions = transactions
        let hasher = SHA256Hasher()
        signer = Ed25519Signer.generate()
        genesis = Genesis(
            writer: .agent, ledger: "main", agent: try AgentID("bench"),
            nonce: [UInt8](repeating: 7, count: Genesis.nonceByteCount), publicKey: signer.publicKey
        )
        let hash = genesis.hash(hasher)
        let tag = StreamTag(genesisHash: hash)
        var builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: tag, firstSequence: 1, previous: hash, seen: .nothing, dictionary: .empty),
            dictionary: StreamDictionary())
        let start = HybridTimestamp(WallClock.now())
        var messages: [[UInt8]] = []
        var segments: [SealedSegment] = []
        var byteCount = 0
        let ledgers = try Ledgers()
        var random = SplitMix64(seed: 4)
        for number in 1...transactions {
            // As if one was accepted each microsecond.
            let time = HybridTimestamp(
                rawValue: start.rawValue + UInt64(number) << HybridTimestamp.counterBits)
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

    /// The first session of a stream has this number.
    static let session: UInt64 = 1

    private static func message(
        _ segments: [SealedSegment], _ tag: StreamTag, _ signer: Ed25519Signer
    ) -> [UInt8] {
        guard let last = segments.last else {
            preconditionFailure("a message has at least one segment")
        }
        let message = SegmentsMessage(
            stream: tag, sentAt: WallClock.now(), attempt: 1,
            segments: segments.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: session, stream: tag, sentAt: message.sentAt, lastHash: last.hash)
        return Message.segments(message).framed(session: session, signature: signer.sign(content))
            .encoded()
    }
}

/// The aggregator's intake without its thread and its broker: the same machine and store, with the same limits.
private final class Merge {
    private let recording: Recording
    private let store: LedgerStore
    private var hub: Hub
    private var random = SplitMix64(seed: 5)
    /// What the hub has said last.
    private var welcome: Welcome?

    init(_ recording: Recording, path: String) throws {
        self.recording = recording
        let key = Ed25519Signer.generate()
        let genesis = Genesis(
            writer: .hub, ledger: "main", agent: try AgentID("hub"),
            nonce: [UInt8](repeating: 9, count: Genesis.nonceByteCount), publicKey: key.publicKey)
        store = try LedgerStore(path: path, hub: genesis, hasher: SHA256Hasher())
        let parts = Hub.Parts(
            limits: AggregatorLimits(), hasher: SHA256Hasher(), verifier: Ed25519Verifier(),
            signer: key)
        hub = Hub(try store.load(), parts, now: WallClock.now())
        try openSession()
    }

    private func openSession() throws {
        let start = ChainPoint(sequence: 0, hash: recording.genesis.hash(SHA256Hasher()))
        let hello = Hello(
            nonce: [UInt8](repeating: 1, count: Hello.nonceByteCount), lastSession: 0, head: start,
            acknowledged: start,
            seen: .nothing, oldestRetained: 1, softwareVersion: "benchmark",
            genesis: recording.genesis)
        try say(Message.hello(hello).framed(session: 0))
        guard let welcome, welcome.session == Recording.session else {
            throw Implausible("no welcome")
        }
        let proof = Proof(stream: StreamTag(genesisHash: start.hash), head: start)
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: hello.digest(SHA256Hasher()),
            session: welcome.session)
        try say(
            Message.proof(proof).framed(
                session: welcome.session, signature: recording.signer.sign(content)))
        try commit()
    }

    private func say(_ frame: Frame) throws {
        perform(
            hub.received(
                frame.encoded(), from: recording.genesis.agent, now: .now(), &random))
    }

    func run() throws {
        for bytes in recording.messages {
            perform(
                hub.received(bytes, from: recording.genesis.agent, now: .now(), &random))
            if hub.isFull { try commit() }
        }
        try commit()
    }

    func finish() throws {
        let counts = hub.ledger.counts
        guard counts.transactions == UInt64(recording.transactions) else {
            throw Implausible("\(counts.transactions) of \(recording.transactions) were merged")
        }
        if let failure = store.close() { throw failure }
    }

    private func perform(_ actions: [Hub.Action]) {
        for case .send(let frame, _) in actions {
            if case .welcome(let welcome)? = try? Message(frame) { self.welcome = welcome }
        }
    }

    private func commit() throws {
        while let commit = hub.takeCommit(now: .now()) {
            let (positions, durable) = try store.commit(commit, now: WallClock.now())
            perform(hub.persisted(durable, positions: positions, now: .now()))
        }
    }
}
