import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol
import TestSupport

/// Copies of one folder that went on for themselves, and the aggregator's machine and fold for their
/// stream, as a shell drives them: what they deliver comes in any order, twice, cut into any messages;
/// commits are late, and crashes lose what was not committed.
struct TreeWorld {
    var copies: [CopiedWriter]
    private var session: StreamSession
    private(set) var ledger = GlobalLedger()
    private(set) var stored: [SealedSegment] = []
    private var storedRecord: StreamSession.Record
    private var storedEnds: [BranchEnd] = []
    private var pending: [SealedSegment] = []
    private var isRecordDue = false
    /// The copy whose session is open.
    private var speaker: Int?
    private var number: UInt64 = 0
    private var now = ClockReading(
        wall: Timestamp(microseconds: 0), steady: SteadyTime(microseconds: 0))
    /// What must never happen, in words.
    private(set) var faults: [String] = []
    private(set) var acknowledged: [ChainPoint] = []
    private(set) var closings = 0

    init(_ copies: [CopiedWriter]) {
        self.copies = copies
        storedRecord = StreamSession.Record(announced: copies[0].start)
        session = TreeWorld.session(copies[0].genesis, [], storedRecord)
    }

    private static func session(
        _ genesis: Genesis, _ ends: [BranchEnd], _ record: StreamSession.Record
    ) -> StreamSession {
        StreamSession(
            genesis: genesis, ends: ends, record: record, limits: AggregatorLimits(),
            hasher: PlainSHA256(), verifier: ToyVerifier())
    }

    var standing: Standing { session.record.standing }
    var leaves: Set<ChainPoint> { Set(session.leaves) }

    // MARK: Faults

    mutating func crash() {
        pending = []
        isRecordDue = false
        speaker = nil
        session = TreeWorld.session(copies[0].genesis, storedEnds, storedRecord)
        ledger = GlobalLedger()
        for sealed in stored {
            let before = TreeWorld.names(before: sealed, in: stored)
            restore(before.state, before.names)
            _ = ledger.merge(sealed.segment, behind: before.state)
        }
        for end in storedEnds {
            let names = TreeWorld.names(leadingTo: end.point, in: stored)
            restore(names.state, names.names)
        }
    }

    private mutating func restore(_ state: DictionaryState, _ names: [Definition]) {
        ledger.restore(names, of: session.stream, leadingTo: state)
    }

    /// The names in front of a segment, by its parents.
    static func names(
        before sealed: SealedSegment, in tree: [SealedSegment]
    ) -> (state: DictionaryState, names: [Definition]) {
        let header = sealed.segment.header
        return names(
            leadingTo: ChainPoint(sequence: header.firstSequence - 1, hash: header.previous),
            in: tree)
    }

    private static func names(
        leadingTo point: ChainPoint, in tree: [SealedSegment]
    ) -> (state: DictionaryState, names: [Definition]) {
        guard let sealed = tree.first(where: { $0.end == point }) else { return (.empty, []) }
        let before = names(before: sealed, in: tree)
        let own = (try? sealed.segment.definitions()) ?? []
        return (sealed.segment.header.dictionary, before.names + own)
    }

    // MARK: Messages

    /// A copy greets, and proves what it has.
    mutating func greet(_ copy: Int, _ random: inout SplitMix64) {
        let writer = copies[copy]
        let hello = Hello(
            nonce: random.bytes(Hello.nonceByteCount), lastSession: writer.lastSession,
            head: writer.head, acknowledged: writer.start, seen: .nothing, oldestRetained: 1,
            softwareVersion: "", genesis: writer.genesis)
        let actions = session.greeted(
            hello, credit: Credit(bytes: 1, messages: 1), hub: .nothing, hubGenesis: writer.genesis,
            now: now.wall, &random)
        guard case .sendWelcome(let welcome)? = actions.first else {
            faults.append("no welcome: \(actions)")
            return
        }
        number = welcome.session
        copies[copy].lastSession = number
        speaker = copy
        let proof = Proof(
            stream: session.stream, head: writer.head,
            passesAnnounced: writer.has(welcome.announced))
        let content = proof.signedContent(
            challenge: welcome.challenge, greeting: hello.digest(PlainSHA256()), session: number)
        let hub = StreamSession.HubPlace(tag: session.stream, events: 0, position: 0)
        perform(
            session.proved(
                proof, session: number, signature: ToySigner(1).sign(content), hub: hub,
                now: now.wall))
    }

    /// The copy whose session is open, or any, sends a part of its chain.
    mutating func deliver(_ random: inout SplitMix64) {
        if speaker == nil || random.oneIn(10) { greet(random.below(copies.count), &random) }
        guard let speaker else { return }
        let chain = copies[speaker].segments
        guard !chain.isEmpty else { return }
        let first = random.below(chain.count)
        let last = min(chain.count - 1, first + random.below(4))
        send(Array(chain[first...last]))
    }

    /// A copy sends all that it has, in order.
    mutating func drain(_ copy: Int, _ random: inout SplitMix64) {
        greet(copy, &random)
        for sealed in copies[copy].segments {
            send([sealed])
            if random.oneIn(3) { commit() }
        }
        commit()
    }

    /// A copy sends these of its segments, which lie behind each other, cut into any messages.
    mutating func take(_ segments: [SealedSegment], of copy: Int, _ random: inout SplitMix64) {
        guard !segments.isEmpty else { return }
        greet(copy, &random)
        var rest = segments[...]
        while !rest.isEmpty {
            let run = rest.prefix(1 + random.below(4))
            rest.removeFirst(run.count)
            send(Array(run))
            if random.oneIn(3) { commit() }
        }
        commit()
    }

    private mutating func send(_ run: [SealedSegment]) {
        let message = SegmentsMessage(
            stream: session.stream, sentAt: now.wall, attempt: 1, segments: run.map(\.segment.bytes)
        )
        let content = SegmentsMessage.signedContent(
            session: number, stream: session.stream, sentAt: message.sentAt,
            lastHash: run[run.count - 1].hash)
        perform(
            session.received(
                message, session: number, signature: ToySigner(1).sign(content), now: now))
    }

    mutating func commit() {
        while !pending.isEmpty || isRecordDue {
            stored += pending
            storedRecord = session.record
            if !pending.isEmpty { storedEnds = session.ends }
            pending = []
            isRecordDue = false
            perform(session.persisted(Durable(position: Int64(stored.count))))
        }
    }

    // MARK: Actions

    private mutating func perform(_ actions: [StreamSession.Action]) {
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: StreamSession.Action) {
        switch action {
        case .merge(let run): merge(run)
        case .persistRecord: isRecordDue = true
        case .close:
            isRecordDue = true
            closings += 1
        case .lookUp(let lookUp):
            if !pending.isEmpty { faults.append("looked up while something is pending") }
            perform(session.found(answer(lookUp), now: now))
        case .sendAck(let session, let point):
            acknowledged.append(point)
            let isStored = point.sequence == 0 || stored.contains { $0.end == point }
            if !isStored { faults.append("acknowledged \(point.sequence), which is not stored") }
            if session == number, let speaker, !copies[speaker].has(point) {
                faults.append("acknowledged \(point.sequence), which is another copy's")
            }
        case .sendWelcome, .sendNeeds, .drop: break
        case .sendNeedsDefinitions, .persistWatermark, .lose, .define, .awaitApproval,
            .fallenBehind:
            faults.append("\(action)")
        }
    }

    private mutating func merge(_ run: SegmentRun) {
        for (index, sealed) in run.segments.enumerated() {
            let header = sealed.segment.header
            let there = stored + pending
            let isAgain = there.contains { $0.hash == sealed.hash }
            if isAgain { faults.append("\(header.firstSequence) is merged twice") }
            let isBehind =
                header.previous == copies[0].start.hash
                || there.contains { $0.hash == header.previous }
            if !isBehind { faults.append("\(header.firstSequence) is merged before its parent") }
            let repeats = there.contains { $0.segment.header.sequences.overlaps(header.sequences) }
            if repeats != (index < run.repeated) {
                faults.append("\(header.firstSequence) is repeated: \(repeats)")
            }
            let setAside = ledger.merge(
                sealed.segment, behind: run.names(before: index),
                keepsNames: index == 0 && run.sharesNames)
            if !setAside.isEmpty { faults.append("\(header.firstSequence) is set aside") }
            pending.append(sealed)
        }
    }

    private mutating func answer(_ lookUp: LookUp) -> LookUp.Answer {
        let stored = stored
        let start = copies[0].start
        let answer = lookUp.answer { place in
            stored.first { $0.hash == place.hash }?.segment.header.dictionary
        } end: { point in
            point == start ? .empty : stored.first { $0.end == point }?.segment.header.dictionary
        }
        let point =
            answer.stored > 0
            ? stored.first { $0.hash == lookUp.segments[answer.stored - 1].hash }?.end ?? start
            : lookUp.parent
        let names = TreeWorld.names(leadingTo: point, in: stored)
        if names.state == answer.dictionary { restore(names.state, names.names) }
        return answer
    }
}
