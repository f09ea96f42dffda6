import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import Logging
import MQTTTransport
import Observability
import SegmentStore
import SyncProtocol
import Workers

/// The one thread that merges: it owns the fold and the sessions, and everything that waits becomes
/// one transaction of the store.
final class Intake: Sendable {
    enum Work: Sendable {
        case mqtt(MQTTEvent)
        /// A look at the fold and the fleet, between two commits.
        case look(@Sendable (Snapshot) -> Void)
        /// Counts and the fleet, without the fold.
        case tell(@Sendable (Figures) -> Void)
    }

    /// What the metrics need: a fold lent out would be copied by the next merge.
    struct Figures: Sendable {
        let position: Int64
        let counts: GlobalLedger.Counts
        let agents: [AgentView]
    }

    /// The merged state at one position of the log; copies share their storage until the next
    /// merge.
    struct Snapshot: Sendable {
        let position: Int64
        let ledger: GlobalLedger
        let leaves: [(genesis: Hash256, end: ChainPoint)]
        let agents: [AgentView]
    }

    /// What the thread works with.
    struct Parts: Sendable {
        let store: LedgerStore
        let loaded: LedgerStore.Loaded
        let limits: AggregatorLimits
        let hasher: any ContentHasher
        let verifier: any SignatureVerifier
        /// The hub's.
        let signer: any Signer
        let logger: Logger
        let health: WriteHealth
        let feed: EventFeed
        /// Called when the disk failed and nothing can be written until a new start.
        let broken: @Sendable (String) -> Void
        let tracer: TributaryTracer?
        /// Hands a message to the broker, and says whether it was taken; what it does not take is
        /// lost, as any message may be.
        let publish: @Sendable (MQTTMessage) -> Bool
        /// Of the connection to the broker.
        let status: @Sendable () -> MQTTStatus

        /// Every message down is signed, so that nobody else can acknowledge.
        func signed(_ message: Message, session: UInt64) -> Frame {
            message.framed(session: session).signed(by: signer, hasher)
        }

        /// How many account snapshots the broker's window has room for; the rest of it is for what
        /// releases money.
        var room: Int {
            let status = status()
            return status.window / 2 - status.outstanding
        }
    }

    private let mailbox: Mailbox<Work>
    private let thread: WorkerThread

    init(_ parts: Parts) {
        let mailbox = Mailbox<Work>(capacity: parts.limits.intakeQueueMax)
        self.mailbox = mailbox
        thread = WorkerThread("intake") {
            var loop = IntakeLoop(parts)
            loop.run(mailbox)
        }
    }

    @discardableResult
    func post(_ work: Work) -> Mailbox<Work>.Posted {
        mailbox.post(work)
    }

    /// Merges what waits, and writes a last checkpoint.
    func finish() -> Bool {
        mailbox.close()
        return thread.join(atMost: .seconds(8))
    }
}

/// The state of the intake thread.
private struct IntakeLoop {
    private let parts: Intake.Parts
    private let metrics = AggregatorMetrics()
    private var fleet: Fleet
    private var schedule: SnapshotSchedule
    private var ledger: GlobalLedger
    private var rows: [StreamTag: StreamRow]
    private var position: Int64
    private var pending = LedgerStore.Commit()
    private var pendingBytes = 0
    /// The streams that a commit under way concerns, and when the first of its messages came.
    private var touched: [StreamTag: Timestamp] = [:]
    /// Streams whose watermark is newer than the stored one, and since when the first of them is.
    private var watermarked: Set<StreamTag> = []
    private var watermarkedSince: SteadyTime?
    private var looks: [@Sendable (Intake.Snapshot) -> Void] = []
    private var segmentsSinceCheckpoint = 0
    private var bytesSinceCheckpoint = 0
    private var lastTick = SteadyTime(microseconds: 0)
    private var isTurnDue = false
    /// Those that have not yet been told that the aggregator is up.
    private var shardsToTell: Range<Int> = 0..<0
    private var isSpent = false
    private var trace: IntakeTrace
    private var journal = ConnectionJournal(now: ContinuousClock.now)

    init(_ parts: Intake.Parts) {
        self.parts = parts
        trace = IntakeTrace(parts.tracer)
        ledger = parts.loaded.ledger
        position = parts.loaded.position
        rows = Dictionary(uniqueKeysWithValues: parts.loaded.streams.map { ($0.row.tag, $0.row) })
        fleet = Fleet(parts.loaded.streams, parts.limits, parts.hasher, parts.verifier)
        schedule = SnapshotSchedule(limits: parts.limits)
    }

    private static let tickInterval: Duration = .milliseconds(100)

    mutating func run(_ mailbox: Mailbox<Intake.Work>) {
        while let work = mailbox.take(patience: IntakeLoop.tickInterval) {
            for item in work {
                take(item)
                if isFull { commit() }
            }
            tick()
            repeat { commit() } while !pending.isEmpty
            tellOfAccounts()
            look()
            parts.feed.changed(fleet.takeChanges())
        }
        commit(withCheckpoint: segmentsSinceCheckpoint > 0)
        look()
    }

    private var isFull: Bool {
        pending.arrivals.count >= parts.limits.messagesPerCommitMax
            || pendingBytes >= parts.limits.bytesPerCommitMax
    }

    // MARK: Messages in

    private mutating func take(_ work: Intake.Work) {
        switch work {
        case .look(let body): looks.append(body)
        case .tell(let body):
            body(
                Intake.Figures(
                    position: position, counts: ledger.counts,
                    agents: fleet.views(now: SteadyClock.now())))
        case .mqtt(.connected):
            log(journal.connected(now: .now))
            sayUp()
        case .mqtt(.message(let message)): receive(message)
        case .mqtt(.rejected(_, let failure)):
            parts.logger.warning(
                "the broker refused a message", metadata: ["mqtt.reason": "\(failure)"])
        case .mqtt(.disconnected(let failure)):
            let contest = parts.status().contest
            log(journal.disconnected(failure, contest: contest, now: .now))
        case .mqtt(.delivered): break
        }
    }

    private func log(_ line: ConnectionJournal<ContinuousClock.Instant>.Line?) {
        guard let line else { return }
        parts.logger.log(
            level: line.isWarning ? .warning : .info, "\(line.message)",
            metadata: line.metadata.mapValues { .string($0) })
    }

    private mutating func receive(_ message: MQTTMessage) {
        guard let agent = Topics.agent(ofTopic: message.topic) else { return }
        guard loadIfSpent() else { return }
        do throws(WireError) {
            let frame = try Frame(decoding: message.payload)
            guard let content = try Message(frame) else { return }
            handle(content, frame, agent, .now())
        } catch {
            metrics.brokenMessages.increment()
            parts.logger.warning(
                "dropped a broken message",
                metadata: ["agent.id": "\(agent)", "sync.error": "\(error)"])
        }
    }

    private mutating func handle(
        _ message: Message, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) {
        if !message.isFarewell { fleet.saw(agent, now.wall) }
        switch message {
        case .hello(let hello): greet(hello, agent, now)
        case .proof(let proof):
            let tag = proof.stream
            let actions = fleet.session(tag) {
                $0.genesis.agent == agent
                    ? $0.proved(proof, session: frame.session, signature: frame.signature)
                    : [.drop(.foreignStream)]
            }
            perform(actions, tag, now)
            // A proof that begins no session, as one of long ago, or of another agent's stream, turns
            // nobody's accounts to another stream.
            if actions.contains(.persistRecord), fleet.existing(tag)?.provedSession == frame.session
            {
                schedule.began(agent, stream: tag, session: frame.session)
            }
        case .segments(let segments):
            metrics.receivedSegments.increment(by: segments.segments.count)
            fleet.noteClock(agent, sentAt: segments.sentAt, now.wall)
            trace.received(segments)
            let actions = fleet.session(segments.stream) {
                $0.genesis.agent == agent
                    ? $0.received(
                        segments, session: frame.session, signature: frame.signature, now: now)
                    : [.drop(.foreignStream)]
            }
            perform(actions, segments.stream, now, segments)
            noteHeard(agent, actions, now)
            trace.processed(
                segments, from: agent, drop: actions.lazy.compactMap(\.drop).first?.rawValue,
                clockOffset: segments.sentAt.microseconds(since: now.wall))
        case .watermark(let watermark):
            fleet.noteClock(agent, sentAt: watermark.sentAt, now.wall)
            let actions = fleet.session(watermark.stream) {
                $0.genesis.agent == agent
                    ? $0.watermarked(watermark, frame) : [.drop(.foreignStream)]
            }
            perform(actions, watermark.stream, now)
            noteHeard(agent, actions, now)
        case .status(let status): takeStatus(status, frame, agent, now)
        case .accountRequest(let request): takeRequest(request, frame, agent)
        case .definitions, .welcome, .ack, .needs, .needsDefinitions, .accountSnapshot, .hub,
            .hubEvents, .returns, .spans, .unreadable:
            break
        }
    }

    /// What an agent says in its session shows that it is there: a farewell that the broker kept for
    /// long does not take it off for longer than until its next word.
    private mutating func noteHeard(
        _ agent: AgentID, _ actions: [StreamSession.Action], _ now: ClockReading
    ) {
        guard actions.contains(where: \.isProgress) else { return }
        fleet.noteOnline(agent, true, now.wall)
        schedule.heard(agent)
    }

    private mutating func greet(_ hello: Hello, _ agent: AgentID, _ now: ClockReading) {
        guard hello.genesis.agent == agent, hello.genesis.writer == .agent else {
            return logDrop(.foreignStream, agent)
        }
        let hub = Seen(hub: parts.store.hub.tag, position: 0)
        guard hello.genesis.ledger == parts.store.ledger else {
            parts.logger.warning(
                "greeting of another ledger",
                metadata: ["agent.id": "\(agent)", "ledger.theirs": "\(hello.genesis.ledger)"])
            let refusal = Welcome.refusal(of: hello, by: parts.store.hub, now: now.wall)
            return send(.welcome(refusal), session: 0, to: agent)
        }
        guard let tag = fleet.greeted(hello, agent, now.wall) else {
            return logDrop(.tooEarly, agent)
        }
        let messages = parts.limits.messagesPerAgent(agents: fleet.agentCount)
        let credit = Credit(bytes: parts.limits.bytesPerAgentMax, messages: messages)
        let genesis = parts.store.hub.genesis
        var random = SystemRandomNumberGenerator()
        let actions = fleet.session(tag) {
            $0.greeted(
                hello, credit: credit, hub: hub, hubGenesis: genesis, now: now.wall,
                &random)
        }
        perform(actions, tag, now)
    }

    private mutating func takeStatus(
        _ status: Status, _ frame: Frame, _ agent: AgentID, _ now: ClockReading
    ) {
        guard isSigned(frame, by: agent, status.stream) else { return }
        fleet.noteStatus(agent, status, now)
        if status.isOnline { schedule.heard(agent) } else { schedule.ended(agent) }
    }

    private mutating func takeRequest(
        _ request: AccountRequest, _ frame: Frame, _ agent: AgentID
    ) {
        guard isSigned(frame, by: agent, request.stream) else { return }
        schedule.asked(agent, request, session: frame.session, ledger.balances)
    }

    private func isSigned(_ frame: Frame, by agent: AgentID, _ stream: StreamTag) -> Bool {
        guard let session = fleet.existing(stream), session.genesis.agent == agent,
            let signature = frame.signature
        else { return false }
        let content = frame.signedContent(parts.hasher)
        return parts.verifier.isValid(signature, for: content, by: session.genesis.publicKey)
    }

    // MARK: Actions out

    private mutating func perform(
        _ actions: [StreamSession.Action], _ tag: StreamTag, _ now: ClockReading,
        _ message: SegmentsMessage? = nil
    ) {
        for action in actions { perform(action, tag, now, message) }
    }

    private mutating func perform(
        _ action: StreamSession.Action, _ tag: StreamTag, _ now: ClockReading,
        _ message: SegmentsMessage?
    ) {
        guard let session = fleet.existing(tag) else { return }
        let agent = session.genesis.agent
        switch action {
        case .sendWelcome(let welcome): send(.welcome(welcome), session: 0, to: agent)
        case .merge(let run): merge(run, session, now, message)
        case .persistRecord:
            addStreamIfNew(session)
            pending.records[tag] = session.record
            touched[tag] = touched[tag] ?? now.wall
        case .persistWatermark:
            watermarked.insert(tag)
            watermarkedSince = watermarkedSince ?? now.steady
        case .sendAck(let number, let point):
            sendAck(number, point, tag, runs: [], receivedAt: now.wall, committedAt: now.wall)
        case .sendNeeds(let number, let needs): send(.needs(needs), session: number, to: agent)
        case .sendNeedsDefinitions(let number, let needs):
            send(.needsDefinitions(needs), session: number, to: agent)
        case .lookUp(let lookUp): answer(lookUp, tag, now, message)
        case .close(let standing):
            addStreamIfNew(session)
            pending.records[tag] = session.record
            touched[tag] = touched[tag] ?? now.wall
            fleet.noteStop(tag, standing, now.wall)
            parts.logger.error(
                "stream closed",
                metadata: [
                    "agent.id": "\(agent)", "stream.tag": "\(tag)",
                    "stream.standing": "\(standing.name)",
                ])
        case .lack(let range):
            parts.logger.error(
                "events are missing that the agent has pruned: restore a later backup",
                metadata: [
                    "agent.id": "\(agent)", "stream.tag": "\(tag)",
                    "event.first": "\(range.lowerBound)", "event.last": "\(range.upperBound)",
                ])
        case .drop(let drop): logDrop(drop, agent)
        }
    }

    private func logDrop(_ drop: StreamSession.Drop, _ agent: AgentID) {
        metrics.count(drop)
        parts.logger.debug(
            "message without effect",
            metadata: ["agent.id": "\(agent)", "sync.drop": "\(drop.rawValue)"])
    }

    private mutating func addStreamIfNew(_ session: StreamSession) {
        guard rows[session.stream] == nil,
            !pending.streams.contains(where: { $0.genesis == session.genesis })
        else {
            return
        }
        pending.streams.append(
            LedgerStore.NewStream(
                genesis: session.genesis, hash: session.genesis.hash(parts.hasher)))
    }

    private mutating func merge(
        _ run: SegmentRun, _ session: StreamSession, _ now: ClockReading,
        _ message: SegmentsMessage?
    ) {
        let tag = session.stream
        trace.merges()
        defer { trace.mergeEnded() }
        for (index, sealed) in run.segments.enumerated() {
            let setAside = ledger.merge(
                sealed.segment, behind: run.names(before: index),
                keepsNames: index == 0 && run.sharesNames)
            trace.merged(sealed.segment, ledger.tracesOfLast, setAside: setAside.count)
            pendingBytes += sealed.segment.bytes.count
            guard !setAside.isEmpty else { continue }
            fleet.noteSetAside(tag, setAside.count)
            parts.logger.error(
                "events set aside",
                metadata: [
                    "stream.tag": "\(tag)", "event.first": "\(setAside[0].sequence)",
                    "event.count": "\(setAside.count)",
                ])
        }
        pending.arrivals.append(
            LedgerStore.Arrival(
                stream: tag, run: run, publishedAt: message?.sentAt ?? now.wall,
                attempt: message?.attempt ?? 1,
                receivedAt: now.wall))
        if session.ends.count > 1 { pending.branchEnds[tag] = session.ends.map(\.point) }
        touched[tag] = touched[tag] ?? now.wall
    }

    private mutating func answer(
        _ lookUp: LookUp, _ tag: StreamTag, _ now: ClockReading, _ message: SegmentsMessage?
    ) {
        var answer: LookUp.Answer?
        do throws(StoreError) {
            answer = try rows[tag].map { (row) throws(StoreError) in
                let found = try parts.store.answer(lookUp, of: row)
                if let dictionary = found.dictionary, found.stored < lookUp.segments.count,
                    !ledger.hasNames(of: tag, leadingTo: dictionary)
                {
                    // A branch begins there.
                    let names = try parts.store.reader.names(of: row.id, leadingTo: dictionary)
                    ledger.restore(names, of: tag, leadingTo: dictionary)
                }
                return found
            }
        } catch {
            parts.logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
        }
        perform(fleet.session(tag) { $0.found(answer, now: now) }, tag, now, message)
    }

    // MARK: Accounts down

    /// Tells agents of the accounts that they use. Nothing is pending now, so the fold is what the
    /// store has.
    private mutating func tellOfAccounts() {
        guard isTurnDue, !isSpent, pending.isEmpty else { return }
        isTurnDue = false
        let place = SnapshotSchedule.Place(
            hub: parts.store.hub.tag, position: UInt64(position), now: .now())
        let fleet = fleet
        schedule.turn(
            place, &ledger, messagesMax: parts.room,
            progress: { fleet.existing($0)?.progress },
            send: { [parts] outgoing in
                let frame = parts.signed(
                    .accountSnapshot(outgoing.message), session: outgoing.session)
                return parts.publish(
                    MQTTMessage(topic: Topics.down(outgoing.agent), payload: frame.encoded()))
            })
    }

    private func send(_ message: Message, session: UInt64, to agent: AgentID) {
        let frame = parts.signed(message, session: session)
        _ = parts.publish(MQTTMessage(topic: Topics.down(agent), payload: frame.encoded()))
    }

    /// Agents greet at once, instead of waiting until they miss an answer. A few shards at a time:
    /// the transport has no room for all of them.
    private mutating func sayUp() {
        shardsToTell = 0..<Topics.shards
    }

    private static let shardsPerTick = 8

    private mutating func tellShards() {
        guard !shardsToTell.isEmpty else { return }
        let notice = HubNotice(
            isUp: true, hub: Seen(hub: parts.store.hub.tag, position: 0), at: WallClock.now())
        let payload = parts.signed(.hub(notice), session: 0).encoded()
        for shard in shardsToTell.prefix(IntakeLoop.shardsPerTick) {
            guard parts.publish(MQTTMessage(topic: Topics.hub(shard: shard), payload: payload))
            else { return }
            shardsToTell.removeFirst()
        }
    }

    private mutating func tick() {
        let now = ClockReading.now()
        guard now.steady.microseconds(since: lastTick) >= 50_000 else { return }
        lastTick = now.steady
        isTurnDue = true
        fleet.noteProgress(now)
        log(journal.tick(parts.status(), now: .now))
        tellShards()
        for tag in fleet.tags {
            perform(fleet.session(tag) { $0.tick(now: now) }, tag, now)
        }
    }

    // MARK: Committing

    private mutating func commit(withCheckpoint: Bool = false) {
        guard !isSpent else { return }
        if withCheckpoint || mustCheckpoint { addCheckpoint() }
        if !pending.isEmpty || withCheckpoint || isWatermarkDue { addWatermarks() }
        guard !pending.isEmpty else { return }
        do throws(StoreError) {
            let began = ContinuousClock.now
            let (positions, durable) = try parts.store.commit(
                pending, rows: &rows, now: WallClock.now())
            metrics.count(pending.arrivals, since: began)
            succeed(durable, positions)
        } catch {
            // What is in memory ran ahead of the store. Agents send again what is not acknowledged.
            metrics.commitFailures.increment()
            parts.logger.error("commit failed", metadata: ["store.error": "\(error)"])
            parts.health.failed("the last commit failed: \(error)")
            if parts.store.isBroken { parts.broken("\(error)") }
            trace.failed("\(error)")
            clearPending()
            isSpent = true
        }
    }

    private var isWatermarkDue: Bool {
        guard let since = watermarkedSince else { return false }
        return SteadyClock.now().microseconds(since: since) >= parts.limits.watermarkDelayMax
    }

    /// With a commit that is made anyway, or once in a while.
    private mutating func addWatermarks() {
        for tag in watermarked {
            guard let session = fleet.existing(tag) else { continue }
            pending.records[tag] = session.record
            touched[tag] = touched[tag] ?? WallClock.now()
        }
        watermarked.removeAll(keepingCapacity: true)
        watermarkedSince = nil
    }

    private mutating func succeed(_ durable: Durable, _ positions: [Int64]) {
        parts.health.succeeded()
        position = durable.position
        if !pending.arrivals.isEmpty { parts.feed.signal.signal() }
        var runs: [StreamTag: [Ack.Run]] = [:]
        for (arrival, position) in zip(pending.arrivals, positions) {
            let first = arrival.run.segments[0].segment.header.firstSequence
            runs[arrival.stream, default: []].append(
                Ack.Run(firstSequence: first, position: UInt64(position)))
        }
        let segments = pending.arrivals.reduce(0) { $0 + $1.run.segments.count }
        segmentsSinceCheckpoint = pending.checkpoint == nil ? segmentsSinceCheckpoint + segments : 0
        bytesSinceCheckpoint = pending.checkpoint == nil ? bytesSinceCheckpoint + pendingBytes : 0
        let committedAt = WallClock.now()
        let concerned = touched
        clearPending()
        for (tag, receivedAt) in concerned {
            for action in fleet.session(tag, { $0.persisted(durable) }) {
                guard case .sendAck(let number, let point) = action else {
                    perform(action, tag, .now(), nil)
                    continue
                }
                let sending = trace.acknowledging(tag)
                sendAck(
                    number, point, tag, runs: runs[tag] ?? [], receivedAt: receivedAt,
                    committedAt: committedAt, traces: sending.compactMap(\.context.trace))
                trace.acknowledged(tag, sending)
            }
        }
        trace.committed()
    }

    private mutating func sendAck(
        _ number: UInt64, _ point: ChainPoint, _ tag: StreamTag, runs: [Ack.Run],
        receivedAt: Timestamp,
        committedAt: Timestamp, traces: [TraceContext] = []
    ) {
        guard let session = fleet.existing(tag) else { return }
        var ack = Ack(
            stream: tag, through: point, hub: parts.store.hub.tag, runs: runs,
            receivedAt: receivedAt, committedAt: committedAt)
        ack.traces = traces
        fleet.noteAck(session.genesis.agent, committedAt)
        metrics.acknowledgements.increment()
        send(.ack(ack), session: number, to: session.genesis.agent)
    }

    private mutating func clearPending() {
        pending = LedgerStore.Commit()
        pendingBytes = 0
        touched.removeAll(keepingCapacity: true)
    }

    private var mustCheckpoint: Bool {
        segmentsSinceCheckpoint >= parts.limits.segmentsPerCheckpoint
            || bytesSinceCheckpoint >= parts.limits.bytesPerCheckpoint
    }

    private mutating func addCheckpoint() {
        let pages = ledger.takeChangedPages()
        pending.checkpoint = LedgerStore.Checkpoint(
            balances: ledger.balances, changedPages: pages, counts: ledger.counts)
    }

    /// After a failed commit, fold and sessions come from the store again; the agents greet anew.
    private mutating func loadIfSpent() -> Bool {
        guard isSpent else { return true }
        do throws(StoreError) {
            let loaded = try parts.store.load()
            ledger = loaded.ledger
            position = loaded.position
            rows = Dictionary(uniqueKeysWithValues: loaded.streams.map { ($0.row.tag, $0.row) })
            fleet.reload(loaded.streams)
            schedule = SnapshotSchedule(limits: parts.limits)
            watermarked.removeAll()
            watermarkedSince = nil
            isSpent = false
            sayUp()
            return true
        } catch {
            parts.logger.error("loading the fold failed", metadata: ["store.error": "\(error)"])
            return false
        }
    }

    // MARK: Looks

    private mutating func look() {
        guard !looks.isEmpty else { return }
        _ = loadIfSpent()
        let snapshot = Intake.Snapshot(
            position: position, ledger: ledger, leaves: fleet.leaves(parts.hasher),
            agents: fleet.views(now: SteadyClock.now()))
        for look in looks { look(snapshot) }
        looks.removeAll()
    }
}

extension StreamSession.Action {
    fileprivate var drop: StreamSession.Drop? {
        if case .drop(let drop) = self { drop } else { nil }
    }

    /// Whether the agent said something new, in its session and well signed.
    fileprivate var isProgress: Bool {
        switch self {
        case .merge, .persistWatermark: true
        default: false
        }
    }
}

extension StreamSession {
    fileprivate var progress: SnapshotSchedule.Progress? {
        provedSession.map {
            SnapshotSchedule.Progress(
                session: $0, committed: committed.sequence,
                lag: record.announced.sequence - min(record.announced.sequence, committed.sequence))
        }
    }
}

extension Message {
    /// The broker may say it for an agent that is long gone.
    fileprivate var isFarewell: Bool {
        if case .status(let status) = self { !status.isOnline } else { false }
    }
}

extension Welcome {
    /// For a greeting that can lead to nothing.
    fileprivate static func refusal(of hello: Hello, by hub: StreamRow, now: Timestamp) -> Welcome {
        Welcome(
            nonce: hello.nonce, challenge: [UInt8](repeating: 0, count: Welcome.challengeByteCount),
            session: 0,
            standing: .refused, leaves: [], announced: ChainPoint(sequence: 0, hash: .zero),
            credit: Credit(bytes: 0, messages: 0), hub: Seen(hub: hub.tag, position: 0),
            hubGenesis: hub.genesis,
            sentAt: now)
    }
}
