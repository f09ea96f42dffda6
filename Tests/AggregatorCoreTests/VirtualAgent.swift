import AgentCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// An agent as its shell drives it: a disk that keeps, a memory that a crash empties, and the two
/// machines between.
final class VirtualAgent {
    /// What a crash leaves.
    struct Disk {
        var segments: [SealedSegment] = []
        /// Receipts are written late, so this may lag behind what was released.
        var released: UInt64 = 0
        var lastSession: UInt64 = 0
    }

    enum Later {
        case prepare(session: UInt64, leaves: [ChainPoint], announced: ChainPoint)
    }

    let genesis: Genesis
    let hash: Hash256
    let tag: StreamTag
    private let signer = ToySigner(1)
    private let hasher = PlainSHA256()
    var disk = Disk()
    private var admission: Admission<Int>
    private(set) var session: OutboxSession
    /// Of the last hello.
    private var greeting = Hash256.zero
    var isConnected = false
    /// The lives so far: what an earlier one asked for reaches no later one.
    private(set) var life = 0
    /// Messages for the transport, and work for the disk, to be collected by the world.
    var outbox: [[UInt8]] = []
    var later: [Later] = []
    private(set) var answered: [ClosedRange<UInt64>] = []
    private(set) var released: UInt64 = 0
    private(set) var refused: [OutboxSession.Finding] = []
    private(set) var releasedWithoutOrder = false
    var transportFailsOneIn = UInt64.max

    init(genesis: Genesis) {
        self.genesis = genesis
        hash = genesis.hash(hasher)
        tag = StreamTag(genesisHash: hash)
        admission = VirtualAgent.admission(disk, hash, hasher)
        session = VirtualAgent.session(disk, hash)
    }

    private static func head(_ disk: Disk, _ hash: Hash256) -> ChainPoint {
        disk.segments.last?.end ?? ChainPoint(sequence: 0, hash: hash)
    }

    private static func session(_ disk: Disk, _ hash: Hash256) -> OutboxSession {
        OutboxSession(
            stream: StreamTag(genesisHash: hash), head: head(disk, hash), released: disk.released,
            lastSession: disk.lastSession,
            limits: AgentLimits())
    }

    private static func admission(
        _ disk: Disk, _ hash: Hash256, _ hasher: PlainSHA256
    ) -> Admission<Int> {
        var dictionary = StreamDictionary()
        for sealed in disk.segments {
            for definition in (try? sealed.segment.definitions()) ?? [] {
                dictionary.restore(definition)
            }
        }
        let head = head(disk, hash)
        let place = SegmentBuilder.Place(
            stream: StreamTag(genesisHash: hash), firstSequence: head.sequence + 1,
            previous: head.hash, seen: .nothing,
            dictionary: disk.segments.last?.segment.header.dictionary ?? .empty)
        let latest = disk.segments.last?.segment.header.base ?? HybridTimestamp(rawValue: 0)
        return Admission(
            AdmissionOrigin(
                place: place, dictionary: dictionary, balances: Balances(), latest: latest,
                keys: [:],
                transactions: 0), hasher: hasher)
    }

    var head: ChainPoint { VirtualAgent.head(disk, hash) }
    var backlog: UInt64 { head.sequence - min(head.sequence, released) }

    // MARK: Faults

    func crash(keeping kept: Disk? = nil) {
        life += 1
        disk = kept ?? disk
        released = disk.released
        isConnected = false
        outbox = []
        later = []
        admission = VirtualAgent.admission(disk, hash, hasher)
        session = VirtualAgent.session(disk, hash)
    }

    enum WriteFate {
        case written
        case failed
        /// Power fails before, or after, the disk had it; nobody was answered.
        case crashedBefore
        case crashedAfter
    }

    // MARK: Events

    func record(
        _ batches: [[Submission]], now: ClockReading, _ fate: WriteFate, _ random: inout SplitMix64
    ) {
        for (index, batch) in batches.enumerated() {
            if random.oneIn(2) {
                admission.submit(group: batch, waiter: index, now: now.wall) { _ in nil }
            } else {
                admission.submit(batch, waiter: index, now: now.wall) { _ in nil }
            }
        }
        let sealed = admission.seal()
        switch fate {
        case .failed:
            _ = admission.abandon()
            admission = VirtualAgent.admission(disk, hash, hasher)
        case .crashedBefore: crash()
        case .crashedAfter:
            disk.segments += sealed
            crash()
        case .written:
            disk.segments += sealed
            answer(admission.persisted(sealed, Durable(position: 0)))
            let bytes = sealed.reduce(0) { $0 + $1.segment.bytes.count }
            perform(session.appended(head, byteCount: bytes), now, &random)
        }
    }

    private func answer(_ answers: [(Int, [Outcome])]) {
        for case .accepted(let place, _) in answers.flatMap(\.1) {
            answered.append(place.sequence...place.sequence)
        }
    }

    func connect(now: ClockReading, _ random: inout SplitMix64) {
        isConnected = true
        perform(session.connected(now: now.steady, &random), now, &random)
    }

    func disconnect() {
        isConnected = false
        session.disconnected()
    }

    func tick(now: ClockReading, _ random: inout SplitMix64) {
        perform(session.tick(now: now.steady, &random), now, &random)
    }

    func receive(_ bytes: [UInt8], now: ClockReading, _ random: inout SplitMix64) {
        guard isConnected, let frame = try? Frame(decoding: bytes),
            let message = try? Message(frame)
        else { return }
        if case .hub(let notice) = message, notice.isUp {
            session.aggregatorCameUp(now: now.steady, &random)
        }
        let actions: [OutboxSession.Action] =
            switch message {
            case .welcome(let welcome): session.welcomed(welcome)
            case .ack(let ack):
                session.acknowledged(ack, session: frame.session, now: now.steady, &random)
            case .needs(let needs): session.needed(needs, session: frame.session)
            case .needsDefinitions(let needs):
                session.neededDefinitions(needs, session: frame.session)
            default: []
            }
        perform(actions, now, &random)
    }

    /// The disk has done what `prepare` asked for.
    func finish(_ work: Later, now: ClockReading, _ random: inout SplitMix64) {
        guard case .prepare(let number, let leaves, let announced) = work else { return }
        disk.lastSession = max(disk.lastSession, number)
        let found = leaves.filter(isInChain).max { $0.sequence < $1.sequence }
        let actions = session.prepared(
            session: number, resume: found, hasAnnounced: isInChain(announced), oldestRetained: 1,
            unsentBytes: bytes(behind: found?.sequence ?? 0), now: now.steady, &random)
        perform(actions, now, &random)
    }

    private func isInChain(_ place: ChainPoint) -> Bool {
        place == ChainPoint(sequence: 0, hash: hash) || disk.segments.contains { $0.end == place }
    }

    private func bytes(behind sequence: UInt64) -> Int {
        disk.segments.filter { $0.segment.header.firstSequence > sequence }
            .reduce(0) { $0 + $1.segment.bytes.count }
    }

    // MARK: Actions

    private func perform(
        _ actions: [OutboxSession.Action], _ now: ClockReading, _ random: inout SplitMix64
    ) {
        var queue = actions[...]
        while let action = queue.popFirst() { queue = perform(action, now, &random) + queue }
    }

    private func perform(
        _ action: OutboxSession.Action, _ now: ClockReading, _ random: inout SplitMix64
    ) -> [OutboxSession.Action] {
        switch action {
        case .sendHello(let nonce, let lastSession):
            let hello = Hello(
                nonce: nonce, lastSession: lastSession, head: head,
                acknowledged: ChainPoint(sequence: released, hash: .zero), seen: .nothing,
                oldestRetained: 1, softwareVersion: "test", genesis: genesis)
            greeting = hello.digest(hasher)
            outbox.append(Message.hello(hello).framed(session: 0).encoded())
        case .prepare(let number, let leaves, let announced):
            later.append(.prepare(session: number, leaves: leaves, announced: announced))
        case .sendProof(let challenge, let number, let proof):
            let content = proof.signedContent(
                challenge: challenge, greeting: greeting, session: number)
            let frame = Message.proof(proof).framed(
                session: number, signature: signer.sign(content))
            outbox.append(frame.encoded())
        case .sendSegments(let number, let after, let through, let byteCountMax):
            if random.oneIn(transportFailsOneIn) { return [] }
            return send(number, after, through, byteCountMax, now)
        case .locate(let places):
            let found = places.filter(isInChain).max { $0.sequence < $1.sequence }
            return session.rewound(
                to: found, of: places, unsentBytes: bytes(behind: found?.sequence ?? 0),
                now: now.steady, &random)
        case .progress(let progress):
            let through = progress.ack.through.sequence
            guard through > progress.released else { return [] }
            releasedWithoutOrder = releasedWithoutOrder || through <= released
            released = through
            if random.oneIn(2) { disk.released = released }
        case .refuse(let finding): refused.append(finding)
        case .sendDefinitions, .end, .hold: break
        }
        return []
    }

    private func send(
        _ number: UInt64, _ after: UInt64, _ through: UInt64, _ byteCountMax: Int,
        _ now: ClockReading
    ) -> [OutboxSession.Action] {
        var bytes = 0
        let chosen = disk.segments.filter {
            $0.segment.header.firstSequence > after && $0.end.sequence <= through
        }.prefix {
            bytes += SegmentsMessage.byteCount(ofSegment: $0.segment.bytes.count)
            return bytes <= byteCountMax
        }
        guard let last = chosen.last else { return [] }
        let message = SegmentsMessage(
            stream: tag, sentAt: now.wall, attempt: session.attemptOfNext,
            segments: chosen.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: number, stream: tag, sentAt: message.sentAt, lastHash: last.hash)
        let frame = Message.segments(message).framed(
            session: number, signature: signer.sign(content))
        outbox.append(frame.encoded())
        return session.sent(
            ends: chosen.map(\.end),
            byteCount: chosen.reduce(0) { $0 + $1.segment.bytes.count }, at: now.wall)
    }
}
