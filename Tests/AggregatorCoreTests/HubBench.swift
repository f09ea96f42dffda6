import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// A hub with its store, and agents' folders that speak to it by hand.
struct HubBench {
    static let wall = Timestamp(microseconds: 1_770_000_000_000_000)

    private(set) var store: MemoryStore
    private(set) var hub: Hub
    let parts: Hub.Parts
    var random: SplitMix64
    var now = ClockReading(wall: HubBench.wall, steady: SteadyTime(microseconds: 0))
    /// What the hub has sent and nobody has looked at, to whom and in which session.
    private(set) var sent: [(agent: AgentID, message: Message, session: UInt64)] = []
    private(set) var announced: [HubNotice] = []
    private(set) var notes: [Hub.Note] = []
    private(set) var decided: [DecisionNumber: Result<HubEventID, DecisionFailure>] = [:]
    /// The hub is about to go on in another stream, and answers nobody until it has.
    private(set) var owesStream = false
    /// The last proof that was said, as a broker may keep it.
    private(set) var lastProof: Frame?
    /// Session numbers by stream.
    private var numbers: [StreamTag: UInt64] = [:]

    init(
        seed: UInt64 = 1, needsApproval: Bool = false, limits: AggregatorLimits = AggregatorLimits()
    ) throws {
        var random = SplitMix64(seed: seed)
        let genesis = Genesis(
            writer: .hub, ledger: "test", agent: try AgentID("hub"),
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: ToySigner(9).publicKey)
        parts = Hub.Parts(
            limits: limits, hasher: PlainSHA256(), verifier: ToyVerifier(), signer: ToySigner(9),
            needsApproval: needsApproval)
        store = MemoryStore(hub: genesis)
        hub = Hub(store.origin, parts, now: now.wall)
        self.random = random
    }

    // MARK: Life

    /// The hub is started again on its store, or on an older copy of it.
    mutating func restart(_ other: MemoryStore? = nil, isRestored: Bool = false) {
        store = other ?? store
        store.isRestored = isRestored
        owesStream = isRestored
        sent = []
        hub = Hub(store.origin, parts, now: now.wall)
    }

    mutating func commit() {
        while let commit = hub.takeCommit(now: now) {
            let (positions, durable) = store.write(commit)
            if commit.hub != nil { owesStream = false }
            perform(hub.persisted(durable, positions: positions, now: now))
        }
    }

    /// A commit fails, and everything is read again.
    mutating func failToCommit() {
        guard hub.takeCommit(now: now) != nil else { return }
        hub.reload(store.origin, now: now)
        owesStream = store.isRestored
    }

    mutating func tick(after microseconds: Int64 = 0) {
        now = now.advanced(byMicroseconds: microseconds)
        perform(hub.tick(now: now, &random))
    }

    mutating func decide(
        _ decision: OperatorDecision, _ number: UInt64 = 1, because reason: String = "why"
    ) throws {
        let by = try HubEvent.Decision(operatorName: "ada", reason: reason)
        perform(hub.decide(decision, DecisionNumber(number), by: by, now: now))
    }

    // MARK: Agents

    @discardableResult
    mutating func greet(
        _ writer: CopiedWriter, acknowledged: ChainPoint? = nil, at place: LogPlace? = nil,
        seen: Seen = .nothing, seenEvent: Hash256? = nil, oldestRetained: UInt64 = 1,
        retainedBehind: Hash256? = nil, passesAnnounced: Bool? = nil, hasLeft: Bool = false
    ) throws -> Welcome {
        try #require(
            greetIfHeard(
                writer, acknowledged: acknowledged, at: place, seen: seen, seenEvent: seenEvent,
                oldestRetained: oldestRetained, retainedBehind: retainedBehind,
                passesAnnounced: passesAnnounced, hasLeft: hasLeft))
    }

    /// - Returns: nil where the hub has no stream to speak for.
    mutating func greetIfHeard(
        _ writer: CopiedWriter, acknowledged: ChainPoint? = nil, at place: LogPlace? = nil,
        seen: Seen = .nothing, seenEvent: Hash256? = nil, oldestRetained: UInt64 = 1,
        retainedBehind: Hash256? = nil, passesAnnounced: Bool? = nil, hasLeft: Bool = false
    ) -> Welcome? {
        let hello = Hello(
            nonce: random.bytes(Hello.nonceByteCount), lastSession: writer.lastSession,
            head: writer.head, acknowledged: acknowledged ?? writer.start, acknowledgedAt: place,
            seen: seen, seenEvent: seenEvent, oldestRetained: oldestRetained,
            retainedBehind: retainedBehind, softwareVersion: "", genesis: writer.genesis)
        guard let welcome = challenge(writer, hello) else { return nil }
        let proof = Proof(
            stream: writer.tag, head: writer.head,
            passesAnnounced: passesAnnounced ?? writer.has(welcome.announced), hasLeft: hasLeft)
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: hello.digest(PlainSHA256()),
            session: welcome.session)
        numbers[writer.tag] = welcome.session
        let frame = Message.proof(proof).framed(
            session: welcome.session, signature: ToySigner(1).sign(content))
        lastProof = frame
        say(frame, writer)
        return welcome
    }

    /// Greets, and proves nothing yet.
    mutating func challenge(_ writer: CopiedWriter, _ hello: Hello) -> Welcome? {
        say(Message.hello(hello).framed(session: 0), writer)
        guard let welcome = take(Welcome.self, of: writer), welcome.nonce == hello.nonce else {
            #expect(owesStream, "a greeting is answered")
            return nil
        }
        return welcome
    }

    /// Greets and commits, and remembers the session's number as the folder does.
    mutating func open(_ writer: inout CopiedWriter) throws {
        writer.lastSession = try greet(writer).session
        commit()
    }

    /// Sends segments of a folder, counted from 1.
    mutating func send(
        _ numbers: ClosedRange<Int>, _ writer: CopiedWriter, sentAt: Timestamp? = nil
    ) {
        let run = writer.segments[numbers.lowerBound - 1..<numbers.upperBound]
        let number = self.numbers[writer.tag] ?? 0
        let message = SegmentsMessage(
            stream: writer.tag, sentAt: sentAt ?? now.wall, attempt: 1,
            segments: run.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: number, stream: writer.tag, sentAt: message.sentAt,
            lastHash: run[run.endIndex - 1].hash)
        say(
            Message.segments(message).framed(
                session: number, signature: ToySigner(1).sign(content)), writer)
    }

    /// Says something that is signed as a message, in the folder's session.
    mutating func say(_ message: Message, _ writer: CopiedWriter) {
        let frame = message.framed(session: numbers[writer.tag] ?? 0)
        say(frame.signed(by: ToySigner(1), PlainSHA256()), writer)
    }

    mutating func say(_ frame: Frame, _ writer: CopiedWriter) {
        perform(
            hub.received(frame.encoded(), from: writer.genesis.agent, now: now, &random))
    }

    // MARK: Actions

    private mutating func perform(_ actions: [Hub.Action]) {
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: Hub.Action) {
        switch action {
        case .send(let frame, let agent):
            #expect(frame.isSigned(by: ToySigner(9).publicKey, PlainSHA256(), ToyVerifier()))
            if let message = try? Message(frame) { sent.append((agent, message, frame.session)) }
        case .announce(let frame, _):
            if case .hub(let notice)? = try? Message(frame) { announced.append(notice) }
        case .lookUp(let lookUp, let stream):
            let answer = store.answer(lookUp, of: stream)
            let names = hub.needsNames(answer, to: lookUp, of: stream).map {
                store.names(of: stream, leadingTo: $0)
            }
            perform(hub.found(answer, names: names ?? [], of: stream, now: now))
        case .fetch(let span):
            let segment = store.segment(of: span)
            let names = segment.map {
                store.names(of: span.stream, leadingTo: $0.header.dictionary)
            }
            perform(hub.fetched(span, segment, names: names ?? [], now: now))
        case .decided(let number, let result): decided[number] = result
        case .note(let note):
            if case .fellBehind = note { owesStream = true }
            notes.append(note)
        }
    }

    /// The last message of its kind to an agent since the last look.
    func take<Body>(_ type: Body.Type, of writer: CopiedWriter) -> Body? {
        let own = sent.filter { $0.agent == writer.genesis.agent }
        return own.compactMap { $0.message.body as? Body }.last
    }

    /// How often the agent alone was told that the hub is up, since the last look.
    func notices(to writer: CopiedWriter) -> Int {
        sent.count {
            if case .hub = $0.message { $0.agent == writer.genesis.agent } else { false }
        }
    }

    mutating func forgetSent() {
        sent = []
        announced = []
        notes = []
    }

    /// The hub events that an agent was told since the last look, in their order.
    func told(_ writer: CopiedWriter) -> [HubEvent] {
        var events: [HubEvent] = []
        for (agent, message, _) in sent where agent == writer.genesis.agent {
            if case .hubEvents(let told) = message { events += told.events.map(\.event) }
        }
        return events
    }

    var facts: [HubFact] { store.hubEvents.map(\.content.fact) }

    // MARK: Digests

    /// Live, by a replay from the beginning, and from the last checkpoint.
    var digests: [Hash256] {
        [HubFold(ledger: hub.ledger, state: hub.state)].digests
            + [store.fold(fromCheckpoint: false), store.fold(fromCheckpoint: true)].digests
    }
}

extension [HubFold] {
    fileprivate var digests: [Hash256] {
        map {
            Digests.state($0.ledger.balances, $0.ledger.counts, hub: $0.state, PlainSHA256())
        }
    }
}

extension CopiedWriter {
    var tag: StreamTag { StreamTag(genesisHash: start.hash) }
}

extension Message {
    fileprivate var body: Any {
        switch self {
        case .welcome(let message): message
        case .ack(let message): message
        case .needs(let message): message
        case .needsDefinitions(let message): message
        case .hubEvents(let message): message
        default: self
        }
    }
}
