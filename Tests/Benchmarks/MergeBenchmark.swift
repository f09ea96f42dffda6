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
            session: session, stream: tag, lastHash: last.hash)
        return Message.segments(message).framed(session: session, signature: signer.sign(content))
            .encoded()
    }
}

/// The aggregator's intake without its thread and its broker: the same machine, fold and store, with the same limits.
private final class Merge {
    private let recording: Recording
    private let store: LedgerStore
    private let limits = AggregatorLimits()
    private let hasher = SHA256Hasher()
    private var session: StreamSession
    private var ledger = GlobalLedger()
    private var rows: [StreamTag: StreamRow] = [:]
    private var pending = LedgerStore.Commit()
    private var pendingBytes = 0
    private var segmentsSinceCheckpoint = 0
    private var bytesSinceCheckpoint = 0

    init(_ recording: Recording, path: String) throws {
        self.recording = recording
        let key = Ed25519Signer.generate()
        let hub = Genesis(
            writer: .hub, ledger: "main", agent: try AgentID("hub"),
            nonce: [UInt8](repeating: 9, count: Genesis.nonceByteCount), publicKey: key.publicKey)
        store = try LedgerStore(path: path, hub: hub, hasher: hasher)
        let start = ChainPoint(sequence: 0, hash: recording.genesis.hash(hasher))
        session = StreamSession(
            genesis: recording.genesis,
            record: StreamSession.Record(announced: start), limits: limits, hasher: hasher,
            verifier: Ed25519Verifier())
        try openSession(start)
    }

    private func openSession(_ start: ChainPoint) throws {
        let now = WallClock.now()
        let hello = Hello(
            nonce: [UInt8](repeating: 1, count: Hello.nonceByteCount), lastSession: 0, head: start,
            acknowledged: start,
            seen: .nothing, oldestRetained: 1, softwareVersion: "benchmark",
            genesis: recording.genesis)
        let credit = Credit(bytes: limits.bytesPerAgentMax, messages: limits.messagesPerAgentMax)
        var random = SplitMix64(seed: 5)
        let answers = session.greeted(
            hello, credit: credit, hub: .nothing, hubGenesis: store.hub.genesis, now: now, &random)
        guard case .sendWelcome(let welcome)? = answers.first, welcome.session == Recording.session
        else {
            throw Implausible("no welcome")
        }
        let proof = Proof(stream: session.stream, head: start)
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: hello.digest(hasher), session: welcome.session)
        perform(
            session.proved(
                proof, session: welcome.session,
                signature: recording.signer.sign(content)),
            now)
        pending.streams = [LedgerStore.NewStream(genesis: recording.genesis, hash: start.hash)]
        try commit()
    }

    func run() throws {
        for bytes in recording.messages {
            let frame = try Frame(decoding: bytes)
            guard case .segments(let message)? = try Message(frame) else {
                throw Implausible("no segments")
            }
            let now = ClockReading.now()
            let actions = session.received(
                message, session: frame.session, signature: frame.signature, now: now)
            perform(actions, now.wall)
            let isFull =
                pending.arrivals.count >= limits.messagesPerCommitMax
                || pendingBytes >= limits.bytesPerCommitMax
            if isFull { try commit() }
        }
        try commit()
    }

    func finish() throws {
        guard ledger.counts.transactions == UInt64(recording.transactions),
            session.committed.sequence == UInt64(recording.transactions)
        else {
            throw Implausible(
                "\(ledger.counts.transactions) of \(recording.transactions) were merged")
        }
        if let failure = store.close() { throw failure }
    }

    private func perform(_ actions: [StreamSession.Action], _ now: Timestamp) {
        for action in actions {
            switch action {
            case .merge(let run):
                for (index, sealed) in run.segments.enumerated() {
                    _ = ledger.merge(
                        sealed.segment, behind: run.names(before: index),
                        keepsNames: index == 0 && run.sharesNames)
                    pendingBytes += sealed.segment.bytes.count
                }
                pending.arrivals.append(
                    LedgerStore.Arrival(
                        stream: session.stream, run: run, publishedAt: now, attempt: 1,
                        receivedAt: now))
            case .persistRecord: pending.records[session.stream] = session.record
            default: break
            }
        }
    }

    private func commit() throws {
        let mustCheckpoint =
            segmentsSinceCheckpoint >= limits.segmentsPerCheckpoint
            || bytesSinceCheckpoint >= limits.bytesPerCheckpoint
        if mustCheckpoint {
            let pages = ledger.takeChangedPages()
            pending.checkpoint = LedgerStore.Checkpoint(
                balances: ledger.balances, changedPages: pages, counts: ledger.counts)
        }
        let segments = pending.arrivals.reduce(0) { $0 + $1.run.segments.count }
        segmentsSinceCheckpoint = mustCheckpoint ? 0 : segmentsSinceCheckpoint + segments
        bytesSinceCheckpoint = mustCheckpoint ? 0 : bytesSinceCheckpoint + pendingBytes
        let (_, durable) = try store.commit(pending, rows: &rows, now: WallClock.now())
        pending = LedgerStore.Commit()
        pendingBytes = 0
        _ = session.persisted(durable)
    }
}
