import AgentCore
import AgentStore
import LedgerCore
import Logging
import MQTTTransport
import SegmentStore
import Signing
import SyncProtocol
import Workers

/// The thread that talks to the broker: it does what `Outbox` decides.
final class Shipper: Sendable {
    enum Event: Sendable {
        case mqtt(MQTTEvent)
        /// Of the thread that writes, with which of the events that became durable are traced.
        case report(CommitReport, traced: [TracedRun])
        /// A client asks for an account that this agent has no events of.
        case wanted(AccountAddress)
    }

    /// What the shipper works with.
    struct Parts: Sendable {
        let configuration: AgentConfiguration
        let store: AgentStore
        let signer: any Signer
        let hasher: any ContentHasher
        let board: SyncBoard
        /// Says that the connection or the session has changed.
        let signal: ChangeSignal
        let logger: Logger
    }

    /// Events that may wait; what does not fit is lost, as any message may be, and greeting anew
    /// repairs it.
    private static let mailboxCapacity = 65_536

    private let mailbox = Mailbox<Event>(capacity: Shipper.mailboxCapacity)

    func post(_ event: Event) {
        mailbox.post(event)
    }

    func start(
        _ parts: Parts, loaded: AgentStore.Loaded, connection: MQTTConnection, commits: CommitThread
    ) -> WorkerThread {
        let mailbox = mailbox
        return WorkerThread("shipper") {
            var loop = ShipperLoop(
                parts, loaded: loaded, connection: connection, commits: commits, mailbox: mailbox)
            loop.run()
        }
    }

    func finish() {
        mailbox.close()
    }
}

/// The state of the shipper's thread.
private struct ShipperLoop: ~Copyable {
    private let parts: Shipper.Parts
    private let connection: MQTTConnection
    private let commits: CommitThread
    private let mailbox: Mailbox<Shipper.Event>
    private var outbox: Outbox
    private var random = SystemRandomNumberGenerator()
    private let metrics = AgentMetrics()
    private var lastTick = SteadyTime(microseconds: 0)
    private var traces: [StreamTag: ShipperTrace]
    private var spans: SpanShipping
    private var journal = ConnectionJournal(now: ContinuousClock.now)
    private let words: OutboxJournal
    /// What was last shown of the connection.
    private var shown: (phase: OutboxSession.Phase, isOffline: Bool)?

    init(
        _ parts: Shipper.Parts, loaded: AgentStore.Loaded, connection: MQTTConnection,
        commits: CommitThread, mailbox: Mailbox<Shipper.Event>
    ) {
        self.parts = parts
        self.connection = connection
        self.commits = commits
        self.mailbox = mailbox
        let configuration = parts.configuration
        let device = Outbox.Device(
            agent: configuration.agent, ledger: configuration.ledger,
            softwareVersion: configuration.softwareVersion, signer: parts.signer,
            hasher: parts.hasher, verifier: Ed25519Verifier())
        outbox = Outbox(
            device, records: loaded.streams, hubs: loaded.hubs, limits: configuration.limits)
        traces = [:]
        for stream in loaded.streams {
            traces[stream.tag] = ShipperTrace(
                configuration.tracer, stream: stream.tag, topic: Topics.up(configuration.agent),
                head: stream.head.sequence)
        }
        spans = SpanShipping(configuration.tracer, agent: configuration.agent)
        words = OutboxJournal(logger: parts.logger)
    }

    /// How often the sessions' deadlines are looked at.
    private static let tickInterval: Duration = .milliseconds(100)

    mutating func run() {
        while let events = mailbox.take(patience: ShipperLoop.tickInterval) {
            for event in gathered(events) { perform(handle(event)) }
            let now = ClockReading.now()
            if now.steady.microseconds(since: lastTick) >= 50_000 {
                lastTick = now.steady
                perform(outbox.tick(now: now, &random))
                shipSpans()
                log(journal.tick(connection.status, now: .now))
            }
            showProgress()
        }
    }

    /// Neighbouring commits as one event: the session looks at the last head only.
    private func gathered(_ events: [Shipper.Event]) -> [Shipper.Event] {
        var gathered: [Shipper.Event] = []
        for event in events {
            if case .report(.appended(let stream, let head, let byteCount), let traced) = event,
                case .report(.appended(stream, _, let before), let tracedBefore)? = gathered.last
            {
                gathered[gathered.count - 1] = .report(
                    .appended(stream, head, byteCount: before + byteCount),
                    traced: tracedBefore + traced)
            } else {
                gathered.append(event)
            }
        }
        return gathered
    }

    // MARK: Events in

    private mutating func handle(_ event: Shipper.Event) -> [Outbox.Action] {
        let now = ClockReading.now()
        switch event {
        case .report(let report, let traced):
            if case .appended(let stream, _, _) = report { traces[stream]?.appended(traced) }
            return outbox.reported(report, now: now, &random)
        case .wanted(let account):
            outbox.want(account)
            return []
        case .mqtt(.connected):
            log(journal.connected(now: .now))
            parts.board.update { $0.offlineSince = nil }
            let waited = connection.status.lastFailure.map { "\($0)" }
            return outbox.connected(waited: waited, now: now, &random)
        case .mqtt(.disconnected(let failure)):
            let contest = connection.status.contest
            log(journal.disconnected(failure, contest: contest, now: .now))
            parts.board.update { $0.offlineSince = $0.offlineSince ?? now.wall }
            return outbox.disconnected()
        case .mqtt(.delivered): return outbox.transportHasRoom(now: now, &random)
        case .mqtt(.rejected(_, let failure)):
            parts.logger.warning(
                "the broker refused a message", metadata: ["mqtt.reason": "\(failure)"])
            return []
        case .mqtt(.message(let message)): return receive(message, now)
        }
    }

    private func log(_ line: ConnectionJournal<ContinuousClock.Instant>.Line?) {
        guard let line else { return }
        var metadata = line.metadata.mapValues { Logger.MetadataValue.string($0) }
        metadata["sync.backlog"] = "\(outbox.streams.reduce(0) { $0 + $1.backlog })"
        parts.logger.log(
            level: line.isWarning ? .warning : .info, "\(line.message)", metadata: metadata)
    }

    private mutating func receive(_ message: MQTTMessage, _ now: ClockReading) -> [Outbox.Action] {
        do throws(WireError) {
            return outbox.received(try Frame(decoding: message.payload), now: now, &random)
        } catch {
            return [.note(.broken(error))]
        }
    }

    // MARK: Actions out

    private mutating func perform(_ actions: [Outbox.Action]) {
        var queue = actions[...]
        while let action = queue.popFirst() {
            let following = perform(action)
            if !following.isEmpty { queue = following + queue }
        }
    }

    private mutating func perform(_ action: Outbox.Action) -> [Outbox.Action] {
        switch action {
        case .send(let frame):
            hand(MQTTMessage(topic: Topics.up(parts.configuration.agent), payload: frame.encoded()))
        case .sendStatus(let frame): hand(StatusMessage.make(frame, parts.configuration.agent))
        case .sendSegments(let parcel): return send(parcel)
        case .ask(let question): return ask(question)
        case .errand(let errand): commits.post(.errand(errand))
        case .note(let note): take(note)
        }
        return []
    }

    /// - Returns: whether the transport took it. What it did not take is as lost as any message may
    ///   be.
    @discardableResult
    private func hand(_ message: MQTTMessage) -> Bool {
        switch connection.publish(message) {
        case .sent: return true
        case .notConnected, .windowFull: return false
        case .refused(let reason):
            parts.logger.error(
                "message refused by the transport", metadata: ["mqtt.reason": "\(reason)"])
            return false
        }
    }

    private mutating func send(_ parcel: SegmentsParcel) -> [Outbox.Action] {
        let sending = traces[parcel.stream]?.begin(parcel)
        let frame = parcel.framed(trace: sending?.trace)
        let topic = Topics.up(parts.configuration.agent)
        let isTaken = hand(MQTTMessage(topic: topic, payload: frame.encoded()))
        traces[parcel.stream]?.sent(sending, isHandedOver: isTaken)
        if isTaken {
            metrics.publishedSegments.increment(by: parcel.segments.count)
            metrics.publishedBytes.increment(by: parcel.byteCount)
        }
        return outbox.handedOver(parcel, isTaken: isTaken, now: .now(), &random)
    }

    private mutating func ask(_ question: LogQuestion) -> [Outbox.Action] {
        do throws(StoreError) {
            return outbox.answered(
                question, try parts.store.answer(question), now: .now(), &random)
        } catch {
            parts.logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
            return []
        }
    }

    private mutating func take(_ note: Outbox.Note) {
        words.log(note)
        switch note {
        case .progress(let stream, let progress):
            metrics.acknowledgements.increment()
            traces[stream]?.settle(progress.ack)
            spans.acknowledged()
            parts.board.update { $0.lastAckAt = WallClock.now() }
        case .lost(let stream, let beyond): traces[stream]?.lost(beyond: beyond)
        case .drawn(let stream, _):
            let configuration = parts.configuration
            traces[stream] = ShipperTrace(
                configuration.tracer, stream: stream, topic: Topics.up(configuration.agent),
                head: 0)
        case .follows:
            // What the hub before held is no reason to prune.
            parts.board.update { board in
                for index in board.streams.indices { board.streams[index].held = 0 }
            }
        case .ends, .held, .refused, .drained, .stray, .forged, .broken, .told, .unreadable: break
        }
    }

    private mutating func shipSpans() {
        guard outbox.writing.session.phase == .streaming else { return }
        do {
            let isIdle = outbox.writing.backlog == 0
            guard let parcel = try spans.next(now: .now(), isIdle: isIdle) else { return }
            if !hand(parcel.message) { spans.refused(parcel) }
        } catch {
            parts.logger.warning("spans were lost", metadata: ["tracing.error": "\(error)"])
        }
    }

    // MARK: What is shown

    private mutating func showProgress() {
        let phase = outbox.writing.session.phase
        var isOffline = false
        parts.board.update { board in
            board.show(outbox)
            isOffline = board.offlineSince != nil
            if phase == .streaming || board.backlog == 0 {
                board.stalledSince = nil
            } else if board.stalledSince == nil {
                board.stalledSince = WallClock.now()
            }
        }
        guard shown?.phase != phase || shown?.isOffline != isOffline else { return }
        shown = (phase, isOffline)
        parts.signal.signal()
    }
}

/// The agent's retained word on itself, signed.
enum StatusMessage {
    static func make(_ frame: Frame, _ agent: AgentID) -> MQTTMessage {
        MQTTMessage(topic: Topics.status(agent), payload: frame.encoded(), retain: true)
    }
}
