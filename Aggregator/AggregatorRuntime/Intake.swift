import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import Logging
import MQTTTransport
import Observability
import SegmentStore
import SyncProtocol
import Workers

/// The one thread that merges: it owns the hub's machine, and everything that waits becomes one
/// transaction of the store.
final class Intake: Sendable {
    typealias DecisionReply = @Sendable (Result<EventID, DecisionFailure>) -> Void

    enum Work: Sendable {
        case mqtt(MQTTEvent)
        /// A look at the fold and the fleet, between two commits.
        case look(@Sendable (Snapshot) -> Void)
        /// Counts, the fleet and what the hub's events add up to, without the fold.
        case tell(@Sendable (Figures) -> Void)
        /// What an operator has decided; the reply comes when it is durable.
        case decide(OperatorDecision, HubEvent.Decision, DecisionReply)
    }

    /// All but the fold, which would be copied by the next merge if it were lent out.
    struct Figures: Sendable {
        /// The name under which the hub writes its stream.
        let hub: AgentID
        let state: HubState
        let position: Int64
        let counts: GlobalLedger.Counts
        let agents: [AgentView]
    }

    /// The merged state at one position of the log; copies share their storage until the next
    /// merge.
    struct Snapshot: Sendable {
        let position: Int64
        let ledger: GlobalLedger
        let state: HubState
        let leaves: [(genesis: Hash256, end: ChainPoint)]
        let agents: [AgentView]
    }

    /// What the thread works with.
    struct Parts: Sendable {
        let store: LedgerStore
        let origin: HubOrigin
        let hub: Hub.Parts
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
        let mailbox = Mailbox<Work>(capacity: parts.hub.limits.intakeQueueMax)
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

/// The state of the intake thread: a shell around the machine, which decides.
private struct IntakeLoop {
    private let parts: Intake.Parts
    private let metrics = AggregatorMetrics()
    private let journal: IntakeJournal
    private var hub: Hub
    private var random = SystemRandomNumberGenerator()
    private var looks: [@Sendable (Intake.Snapshot) -> Void] = []
    private var tells: [@Sendable (Intake.Figures) -> Void] = []
    private var replies: [DecisionNumber: Intake.DecisionReply] = [:]
    private var decisionCount: UInt64 = 0
    private var lastTick = SteadyTime(microseconds: 0)
    private var isTurnDue = false
    /// The store failed: everything is to be read again.
    private var isSpent = false
    private var spentAt = SteadyTime(microseconds: 0)
    private var connections = ConnectionJournal(now: ContinuousClock.now)

    init(_ parts: Intake.Parts) {
        self.parts = parts
        journal = IntakeJournal(parts.logger, metrics)
        hub = Hub(
            parts.origin, parts.hub, tracing: IntakeTrace(parts.tracer), now: WallClock.now())
    }

    private static let tickInterval: Duration = .milliseconds(100)
    /// How often to read everything again while the store fails and nobody asks, in microseconds.
    private static let reloadInterval: Int64 = 1_000_000

    mutating func run(_ mailbox: Mailbox<Intake.Work>) {
        while let work = mailbox.take(patience: IntakeLoop.tickInterval) {
            for item in work {
                take(item)
                if hub.isFull { commit() }
            }
            tick()
            while commit() {}
            tellOfAccounts()
            look()
            parts.feed.changed(hub.takeChanges())
        }
        while commit() {}
        commit(withCheckpoint: true)
        look()
        // Where the store has failed, nobody is left to write what was decided.
        for reply in replies.values { reply(.failure(.notWritten)) }
        replies.removeAll()
    }

    // MARK: Work

    private mutating func take(_ work: Intake.Work) {
        switch work {
        case .look(let body): looks.append(body)
        case .tell(let body): tells.append(body)
        case .decide(let decision, let by, let reply):
            guard loadIfSpent() else { return reply(.failure(.notWritten)) }
            decisionCount += 1
            let number = DecisionNumber(decisionCount)
            replies[number] = reply
            perform(hub.decide(decision, number, by: by, now: .now()))
        case .mqtt(.connected):
            log(connections.connected(now: .now))
            hub.connected()
        case .mqtt(.message(let message)):
            guard let agent = Topics.agent(ofTopic: message.topic), loadIfSpent() else { return }
            perform(hub.received(message.payload, from: agent, now: .now(), &random))
        case .mqtt(.rejected(_, let failure)):
            parts.logger.warning(
                "the broker refused a message", metadata: ["mqtt.reason": "\(failure)"])
        case .mqtt(.disconnected(let failure)):
            let contest = parts.status().contest
            log(connections.disconnected(failure, contest: contest, now: .now))
        case .mqtt(.delivered): break
        }
    }

    private func log(_ line: ConnectionJournal<ContinuousClock.Instant>.Line?) {
        guard let line else { return }
        parts.logger.log(
            level: line.isWarning ? .warning : .info, "\(line.message)",
            metadata: line.metadata.mapValues { .string($0) })
    }

    private mutating func tick() {
        let now = ClockReading.now()
        guard now.steady.microseconds(since: lastTick) >= 50_000 else { return }
        lastTick = now.steady
        isTurnDue = true
        log(connections.tick(parts.status(), now: .now))
        if isSpent {
            let waited = now.steady.microseconds(since: spentAt)
            guard waited >= IntakeLoop.reloadInterval, loadIfSpent() else { return }
        }
        perform(hub.tick(now: now, &random))
    }

    // MARK: Actions

    private mutating func perform(_ actions: [Hub.Action]) {
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: Hub.Action) {
        switch action {
        case .send(let frame, let agent): publish(frame, Topics.down(agent))
        case .announce(let frame, let shard): publish(frame, Topics.hub(shard: shard))
        case .lookUp(let lookUp, let stream): perform(answer(lookUp, stream))
        case .fetch(let span): perform(fetch(span))
        case .decided(let number, let result): reply(to: number, result)
        case .note(let note): journal.write(note)
        }
    }

    private mutating func reply(
        to number: DecisionNumber, _ result: Result<HubEventID, DecisionFailure>
    ) {
        let name = hub.genesis.agent
        replies.removeValue(forKey: number)?(result.map { $0.text(hub: name) })
    }

    private func publish(_ frame: Frame, _ topic: String) {
        _ = parts.publish(MQTTMessage(topic: topic, payload: frame.encoded()))
    }

    private mutating func answer(_ lookUp: LookUp, _ stream: StreamTag) -> [Hub.Action] {
        do throws(StoreError) {
            let answer = try parts.store.answer(lookUp, of: stream)
            let names = try hub.needsNames(answer, to: lookUp, of: stream).map {
                (state) throws(StoreError) in
                try parts.store.names(of: stream, leadingTo: state)
            }
            return hub.found(answer, names: names ?? [], of: stream, now: .now())
        } catch {
            journal.cannotRead(error)
            return hub.found(nil, of: stream, now: .now())
        }
    }

    private mutating func fetch(_ span: EventSpan) -> [Hub.Action] {
        do throws(StoreError) {
            let segment = try parts.store.segment(of: span)
            let names = try segment.map { (segment) throws(StoreError) in
                try parts.store.names(of: span.stream, leadingTo: segment.header.dictionary)
            }
            return hub.fetched(span, segment, names: names ?? [], now: .now())
        } catch {
            journal.cannotRead(error)
            return hub.fetched(span, nil, names: [], now: .now())
        }
    }

    /// Tells agents of the accounts that they use. Nothing is pending now, so the fold is what the
    /// store has.
    private mutating func tellOfAccounts() {
        guard isTurnDue, !isSpent, !hub.hasPending else { return }
        isTurnDue = false
        hub.tellOfAccounts(messagesMax: parts.room, now: .now()) { [parts] frame, agent in
            parts.publish(MQTTMessage(topic: Topics.down(agent), payload: frame.encoded()))
        }
    }

    // MARK: Committing

    /// - Returns: whether there was something to write, and more may wait.
    @discardableResult
    private mutating func commit(withCheckpoint: Bool = false) -> Bool {
        guard !isSpent,
            let commit = hub.takeCommit(withCheckpoint: withCheckpoint, now: .now())
        else { return false }
        do throws(StoreError) {
            let began = ContinuousClock.now
            let (positions, durable) = try parts.store.commit(commit, now: WallClock.now())
            metrics.count(commit.arrivals, since: began)
            parts.health.succeeded()
            perform(hub.persisted(durable, positions: positions, now: .now()))
            if !commit.arrivals.isEmpty || !commit.hubSegments.isEmpty {
                parts.feed.signal.signal()
            }
            return true
        } catch {
            // What is in memory ran ahead of the store. Agents send again what is not acknowledged.
            metrics.commitFailures.increment()
            parts.logger.error("commit failed", metadata: ["store.error": "\(error)"])
            parts.health.failed("the last commit failed: \(error)")
            if parts.store.isBroken { parts.broken("\(error)") }
            hub.tracing.failed("\(error)")
            isSpent = true
            spentAt = SteadyClock.now()
            return false
        }
    }

    /// After a failed commit, fold and sessions come from the store again; the agents greet anew.
    private mutating func loadIfSpent() -> Bool {
        guard isSpent else { return true }
        do throws(StoreError) {
            hub.reload(try parts.store.load(), now: .now())
            isSpent = false
            return true
        } catch {
            parts.logger.error("loading the fold failed", metadata: ["store.error": "\(error)"])
            spentAt = SteadyClock.now()
            return false
        }
    }

    // MARK: Looks

    /// Nothing is pending now: all that is told is durable.
    private mutating func look() {
        guard !looks.isEmpty || !tells.isEmpty else { return }
        _ = loadIfSpent()
        let agents = hub.agents(now: SteadyClock.now())
        if !tells.isEmpty {
            let figures = Intake.Figures(
                hub: hub.genesis.agent, state: hub.state, position: hub.position,
                counts: hub.ledger.counts, agents: agents)
            for tell in tells { tell(figures) }
            tells.removeAll()
        }
        if !looks.isEmpty {
            let snapshot = Intake.Snapshot(
                position: hub.position, ledger: hub.ledger, state: hub.state, leaves: hub.leaves,
                agents: agents)
            for look in looks { look(snapshot) }
            looks.removeAll()
        }
    }
}
