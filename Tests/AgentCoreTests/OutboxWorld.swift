import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport

/// A stream of real segments, one event each.
struct TestStream {
    let genesis: Genesis
    let hash: Hash256
    let segments: [SealedSegment]

    var tag: StreamTag { StreamTag(genesisHash: hash) }
    var head: ChainPoint { point(UInt64(segments.count)) }

    init(_ number: UInt8, events: Int) throws {
        genesis = Genesis(
            writer: .agent, ledger: "main", agent: try AgentID("till-1"),
            nonce: [UInt8](repeating: number, count: Genesis.nonceByteCount),
            publicKey: ToySigner(1).publicKey)
        hash = genesis.hash(PlainSHA256())
        var builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: StreamTag(genesisHash: hash), firstSequence: 1, previous: hash,
                seen: .nothing, dictionary: .empty), dictionary: StreamDictionary())
        let posting = Posting(
            source: .world, destination: try AccountAddress("till:1"), asset: try Asset("EUR/2"),
            amount: try Amount(1))
        let transaction = try Transaction(postings: [posting])
        var clock = HybridClock()
        var segments: [SealedSegment] = []
        for _ in 0..<events {
            builder.append(
                transaction, keyed: nil, trace: nil,
                time: clock.tick(now: Timestamp(microseconds: 9)))
            let (segment, hash) = builder.seal(PlainSHA256())
            segments.append(SealedSegment(segment: segment, hash: hash))
        }
        self.segments = segments
    }

    func point(_ sequence: UInt64) -> ChainPoint {
        sequence == 0 ? ChainPoint(sequence: 0, hash: hash) : segments[Int(sequence) - 1].end
    }

    func record(
        acknowledged: UInt64 = 0, lastSession: UInt64 = 0, end: StreamEnd? = nil,
        confirmedAt: LogPlace? = nil, finishedFor: StreamTag? = nil
    ) -> StreamRecord {
        StreamRecord(
            genesis: genesis, genesisHash: hash, head: head, acknowledged: acknowledged,
            lastSession: lastSession, end: end,
            confirmed: confirmedAt.map { _ in point(acknowledged) }, confirmedAt: confirmedAt,
            finishedFor: finishedFor)
    }
}

/// A hub that says what it is told to, and signs it.
struct TestHub {
    let genesis: Genesis
    let signer: ToySigner

    var tag: StreamTag { StreamTag(genesisHash: genesis.hash(PlainSHA256())) }

    init(_ number: UInt8, key: UInt8 = 9, ledger: String = "main", parent: TestHub? = nil) throws {
        signer = ToySigner(key)
        genesis = Genesis(
            writer: .hub, ledger: ledger, agent: try AgentID("hub"),
            nonce: [UInt8](repeating: number, count: Genesis.nonceByteCount),
            publicKey: signer.publicKey,
            parent: parent.map { Genesis.Parent(stream: $0.tag, position: 1, hash: .zero) })
    }

    static let challenge = [UInt8](repeating: 7, count: Welcome.challengeByteCount)

    func welcome(
        _ hello: Hello, session: UInt64? = nil, leaves: [ChainPoint] = [],
        announced: ChainPoint? = nil, standing: Standing = .open
    ) -> Frame {
        let hash = hello.genesis.hash(PlainSHA256())
        let welcome = Welcome(
            nonce: hello.nonce, greeting: hello.digest(PlainSHA256()), challenge: TestHub.challenge,
            session: session ?? hello.lastSession + 1, standing: standing, leaves: leaves,
            announced: announced ?? ChainPoint(sequence: 0, hash: hash),
            credit: Credit(bytes: 1 << 20, messages: 8), hub: Seen(hub: tag, position: 0),
            hubGenesis: genesis, sentAt: Timestamp(microseconds: 0))
        return signed(.welcome(welcome))
    }

    func ack(
        _ stream: TestStream, _ sequence: UInt64, session: UInt64, runs: [Ack.Run] = [],
        clock: UInt64 = 0
    ) -> Frame {
        let at = Timestamp(microseconds: 5)
        return signed(
            .ack(
                Ack(
                    stream: stream.tag, through: stream.point(sequence), hub: tag, runs: runs,
                    receivedAt: at, committedAt: at, clock: HybridTimestamp(rawValue: clock))),
            session: session)
    }

    func event(_ number: UInt64, previous: UInt64, _ fact: HubFact, to agent: String = "till-1")
        throws -> SignedHubEvent
    {
        let address = HubEvent.Address(agent: try AgentID(agent), previous: previous)
        let event = HubEvent(
            sequence: number, time: HybridTimestamp(rawValue: number),
            content: HubEvent.Content(fact, address: address))
        return SignedHubEvent(event, hub: tag, signer: signer)
    }

    func signed(_ message: Message, session: UInt64 = 0) -> Frame {
        message.framed(session: session).signed(by: signer, PlainSHA256())
    }
}

/// An outbox with a log that answers, and everything that it did.
final class OutboxWorld {
    var outbox: Outbox
    var now = ClockReading(
        wall: Timestamp(microseconds: 1_000_000), steady: SteadyTime(microseconds: 0))
    private var random = SplitMix64(seed: 3)
    private var streams: [StreamTag: TestStream] = [:]
    /// In their order, since they were last taken.
    private(set) var sent: [Frame] = []
    private(set) var parcels: [SegmentsParcel] = []
    private(set) var errands: [Errand] = []
    private(set) var notes: [Outbox.Note] = []
    private(set) var asked: [LogQuestion] = []
    /// Segments that the disk has lost.
    var unreadable: Set<EventPlace> = []
    var returns: [Returns] = []
    var transportTakes = true

    init(
        _ streams: [TestStream], records: [StreamRecord]? = nil, hubs: [HubRecord] = [],
        limits: AgentLimits = AgentLimits()
    ) throws {
        for stream in streams { self.streams[stream.tag] = stream }
        outbox = Outbox(
            Outbox.Device(
                agent: try AgentID("till-1"), ledger: "main", softwareVersion: "test",
                signer: ToySigner(1), hasher: PlainSHA256(), verifier: ToyVerifier()),
            records: records ?? streams.map { $0.record() }, hubs: hubs, limits: limits)
    }

    // MARK: What happens

    func connect() {
        perform(outbox.connected(waited: nil, now: now, &random))
    }

    func receive(_ frame: Frame) {
        perform(outbox.received(frame, now: now, &random))
    }

    func report(_ report: CommitReport) {
        perform(outbox.reported(report, now: now, &random))
    }

    func pass(_ microseconds: Int64) {
        var left = microseconds
        while left > 0 {
            let step = min(left, 100_000)
            now = now.advanced(byMicroseconds: step)
            left -= step
            perform(outbox.tick(now: now, &random))
        }
    }

    func delivered() {
        perform(outbox.transportHasRoom(now: now, &random))
    }

    /// Another stream is written from now on.
    func draw(_ stream: TestStream, _ end: StreamEnd? = nil) {
        streams[stream.tag] = stream
        report(.drawn(stream.record(), behind: end))
    }

    /// Answers the last greeting of a stream, and all that the log is asked for it.
    func open(
        _ stream: TestStream, _ hub: TestHub, leaves: [UInt64] = [], session: UInt64? = nil,
        standing: Standing = .open
    ) {
        guard let hello = hello(of: stream) else { return }
        receive(
            hub.welcome(
                hello, session: session, leaves: leaves.map { stream.point($0) },
                standing: standing))
        answerOpenings()
    }

    func answerOpenings() {
        let openings = errands.compactMap {
            if case .open(let opening) = $0 { opening } else { nil }
        }
        errands.removeAll { if case .open = $0 { true } else { false } }
        for opening in openings {
            guard let stream = streams[opening.stream] else { continue }
            let points = (0...stream.head.sequence).map { stream.point($0) }
            let found = opening.leaves.filter(points.contains).max { $0.sequence < $1.sequence }
            report(
                .opened(
                    opening,
                    ChainSearch(
                        found: found, hasAnnounced: points.contains(opening.announced),
                        keptBehind: stream.point(0), bytesBehind: 1000)))
        }
    }

    // MARK: What was done

    func hello(of stream: TestStream) -> Hello? {
        hellos.last { $0.genesis == stream.genesis }
    }

    var hellos: [Hello] {
        messages.compactMap { if case .hello(let hello) = $0 { hello } else { nil } }
    }

    var messages: [Message] { sent.compactMap { try? Message($0) } }

    var proofs: [Proof] {
        messages.compactMap { if case .proof(let proof) = $0 { proof } else { nil } }
    }

    /// The numbers of the events that were sent of a stream, in their order.
    func events(of stream: TestStream) -> [UInt64] {
        parcels.filter { $0.stream == stream.tag }.flatMap { $0.segments.map(\.end.sequence) }
    }

    var ends: [(stream: StreamTag, end: StreamEnd)] {
        errands.compactMap { if case .end(let stream, let end) = $0 { (stream, end) } else { nil } }
    }

    func forget() {
        (sent, parcels, errands, notes, asked) = ([], [], [], [], [])
    }

    private func perform(_ actions: [Outbox.Action]) {
        var queue = actions[...]
        while let action = queue.popFirst() {
            let following = perform(action)
            queue = following + queue
        }
    }

    private func perform(_ action: Outbox.Action) -> [Outbox.Action] {
        switch action {
        case .send(let frame): sent.append(frame)
        case .sendStatus: break
        case .sendSegments(let parcel):
            if transportTakes {
                parcels.append(parcel)
                sent.append(parcel.framed())
            }
            return outbox.handedOver(parcel, isTaken: transportTakes, now: now, &random)
        case .ask(let question):
            asked.append(question)
            guard let answer = answer(question) else { return [] }
            return outbox.answered(question, answer, now: now, &random)
        case .errand(let errand): errands.append(errand)
        case .note(let note): notes.append(note)
        }
        return []
    }

    /// One segment a message.
    private func answer(_ question: LogQuestion) -> LogAnswer? {
        switch question {
        case .segments(let tag, _, let after, _, _):
            guard let stream = streams[tag], after < stream.head.sequence else {
                return .segments([])
            }
            let next = stream.segments[Int(after)]
            if unreadable.contains(EventPlace(stream: tag, sequence: after + 1)) {
                return .unreadable(after + 1...after + 1, end: next.end)
            }
            return .segments([next])
        case .places(let tag, let places):
            guard let stream = streams[tag] else { return nil }
            let points = (0...stream.head.sequence).map { stream.point($0) }
            let found = places.filter(points.contains).max { $0.sequence < $1.sequence }
            return .place(found, bytesBehind: 1000)
        case .definitions: return .definitions([])
        case .timeBefore: return .time(HybridTimestamp(rawValue: 1))
        case .placements, .hubEvents: return .returns(returns)
        }
    }
}
