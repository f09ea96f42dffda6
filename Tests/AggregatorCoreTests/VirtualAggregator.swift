import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// An aggregator as its shell drives it, for one stream: a disk that keeps, a memory that a crash
/// empties.
final class VirtualAggregator {
    /// What a crash leaves.
    struct Disk {
        var segments: [SealedSegment] = []
        var record: StreamSession.Record?
    }

    var disk = Disk()
    private let genesis: Genesis
    private let start: ChainPoint
    private let hubGenesis = Genesis(
        writer: .hub, ledger: "test", agent: hubName,
        nonce: [UInt8](repeating: 9, count: Genesis.nonceByteCount),
        publicKey: ToySigner(9).publicKey)
    private var session: StreamSession
    private(set) var ledger = GlobalLedger()
    private var merged: [SealedSegment] = []
    private var record: StreamSession.Record?
    private let credit: Credit
    private let hasher = PlainSHA256()
    var outbox: [[UInt8]] = []
    private(set) var drops: [StreamSession.Drop: Int] = [:]
    /// What must never happen, in words.
    private(set) var faults: [String] = []

    private static let hubName: AgentID = {
        do throws(InvalidValue) { return try AgentID("hub") } catch { fatalError("\(error)") }
    }()

    init(genesis: Genesis, credit: Credit) {
        self.genesis = genesis
        self.credit = credit
        start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        session = VirtualAggregator.session(disk, genesis, start)
    }

    private static func session(
        _ disk: Disk, _ genesis: Genesis, _ start: ChainPoint
    ) -> StreamSession {
        let committed = disk.segments.last?.end ?? start
        var record = disk.record ?? StreamSession.Record(announced: committed)
        if record.announced.sequence < committed.sequence { record.announced = committed }
        return StreamSession(
            genesis: genesis,
            ends: disk.segments.last.map {
                [BranchEnd(point: $0.end, dictionary: $0.segment.header.dictionary)]
            } ?? [], record: record,
            limits: AggregatorLimits(), hasher: PlainSHA256(), verifier: ToyVerifier())
    }

    var standing: Standing { session.record.standing }
    var hasWork: Bool { !merged.isEmpty || record != nil }
    /// The restored one of these tests does not notice: a hub does that.
    private var place: StreamSession.HubPlace {
        StreamSession.HubPlace(tag: session.stream, events: .max, position: .max)
    }
    private var hub: Seen {
        Seen(hub: StreamTag(genesisHash: hubGenesis.hash(hasher)), position: 0)
    }

    func crash(keeping kept: Disk? = nil) {
        disk = kept ?? disk
        merged = []
        record = nil
        outbox = []
        session = VirtualAggregator.session(disk, genesis, start)
        ledger = GlobalLedger()
        for sealed in disk.segments { _ = ledger.merge(sealed.segment) }
        sayUp()
    }

    private func sayUp() {
        let notice = HubNotice(isUp: true, hub: hub, at: Timestamp(microseconds: 0))
        outbox.append(Message.hub(notice).framed(session: 0).encoded())
    }

    func receive(_ bytes: [UInt8], now: ClockReading, _ random: inout SplitMix64) {
        guard let frame = try? Frame(decoding: bytes), let message = try? Message(frame) else {
            return
        }
        let actions: [StreamSession.Action] =
            switch message {
            case .hello(let hello) where hello.genesis == genesis:
                session.greeted(
                    hello, credit: credit, hub: hub, hubGenesis: hubGenesis, now: now.wall,
                    &random)
            case .proof(let proof):
                session.proved(
                    proof, session: frame.session, signature: frame.signature, hub: place,
                    now: now.wall)
            case .segments(let segments):
                session.received(
                    segments, session: frame.session, signature: frame.signature, now: now)
            default: []
            }
        perform(actions, now)
    }

    func tick(now: ClockReading) {
        perform(session.tick(now: now), now)
    }

    /// Writes what waits, or fails to and starts again from the disk.
    func commit(now: ClockReading, fails: Bool) {
        guard hasWork else { return }
        if fails { return crash() }
        disk.segments += merged
        disk.record = record ?? disk.record
        merged = []
        record = nil
        perform(session.persisted(Durable(position: Int64(disk.segments.count))), now)
    }

    private func perform(_ actions: [StreamSession.Action], _ now: ClockReading) {
        for action in actions { perform(action, now) }
    }

    private func perform(_ action: StreamSession.Action, _ now: ClockReading) {
        switch action {
        case .sendWelcome(let welcome): send(.welcome(welcome), session: 0)
        case .merge(let run):
            if session.record.standing != .open { faults.append("merged although closed") }
            for sealed in run.segments {
                if !ledger.merge(sealed.segment).isEmpty { faults.append("events set aside") }
            }
            merged += run.segments
        case .persistRecord, .persistWatermark: record = session.record
        case .sendAck(let number, let point):
            if point != disk.segments.last?.end ?? start { faults.append("ack of \(point)") }
            let ack = Ack(
                stream: session.stream, through: point, hub: session.stream, runs: [],
                receivedAt: now.wall, committedAt: now.wall)
            send(.ack(ack), session: number)
        case .sendNeeds(let number, let needs): send(.needs(needs), session: number)
        case .sendNeedsDefinitions: faults.append("definitions asked for")
        case .lookUp(let lookUp): perform(session.found(answer(lookUp), now: now), now)
        case .lose, .define, .awaitApproval, .fallenBehind: faults.append("\(action)")
        case .close: record = session.record
        case .drop(let drop): drops[drop, default: 0] += 1
        }
    }

    private func answer(_ lookUp: LookUp) -> LookUp.Answer {
        lookUp.answer { place in
            disk.segments.first { $0.hash == place.hash }?.segment.header.dictionary
        } end: { point in
            point == start
                ? .empty : disk.segments.first { $0.end == point }?.segment.header.dictionary
        }
    }

    private func send(_ message: Message, session number: UInt64) {
        outbox.append(message.framed(session: number).encoded())
    }
}
