import AgentCore
import AgentStore
import LedgerCore
import Logging
import MQTTTransport
import SegmentStore
import SyncProtocol
import Workers

/// The thread that performs what `OutboxSession` decides: reads segments, signs, publishes, and
/// takes the answers in.
final class Shipper: Sendable {
    enum Event: Sendable {
        case mqtt(MQTTEvent)
        case appended(ChainPoint, byteCount: Int, traced: [TracedRun])
        /// A snapshot came that could not be used now.
        case unusable(number: UInt64, session: UInt64)
        /// A client asks for an account that this agent has no events of.
        case wanted(AccountAddress)
        case prepared(session: UInt64, found: ChainPoint?, hasAnnounced: Bool, bytesBehind: UInt64)
        case promised(HybridTimestamp?, acknowledged: UInt64)
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
    private var session: OutboxSession
    private var snapshots: SnapshotInbox
    private var random = SystemRandomNumberGenerator()
    private let stream: StreamTag
    private var head: ChainPoint
    private var acknowledged: ChainPoint
    private var seen = Seen.nothing
    /// Of the last hello, for the proof behind it.
    private var greeting: Hash256?
    private let metrics = AgentMetrics()
    /// The ends and sizes of the segments under way, and when each was handed over.
    private var underWay: [(end: ChainPoint, byteCount: Int, at: Timestamp)] = []
    /// What events up to a place had to wait for, for their receipts.
    private var waited: (through: UInt64, reason: String)?
    private var lastTick = SteadyTime(microseconds: 0)
    private var trace: ShipperTrace
    private var spans: SpanShipping
    private var watermarks: WatermarkPacer
    private var journal = ConnectionJournal(now: ContinuousClock.now)
    /// What was last shown of the connection.
    private var shown: (phase: OutboxSession.Phase, isOffline: Bool)?

    init(
        _ parts: Shipper.Parts, loaded: AgentStore.Loaded, connection: MQTTConnection,
        commits: CommitThread,
        mailbox: Mailbox<Shipper.Event>
    ) {
        self.parts = parts
        self.connection = connection
        self.commits = commits
        self.mailbox = mailbox
        let writing = loaded.writing
        stream = writing.tag
        head = writing.head
        acknowledged = ChainPoint(sequence: writing.acknowledged, hash: .zero)
        let configuration = parts.configuration
        trace = ShipperTrace(
            configuration.tracer, stream: writing.tag, topic: Topics.up(configuration.agent),
            head: writing.head.sequence)
        spans = SpanShipping(configuration.tracer, agent: configuration.agent)
        snapshots = SnapshotInbox(limits: parts.configuration.limits)
        session = OutboxSession(
            stream: stream, head: head, released: writing.acknowledged,
            lastSession: writing.lastSession,
            limits: parts.configuration.limits)
        watermarks = WatermarkPacer(limits: parts.configuration.limits)
    }

    /// How often the session's deadlines are looked at.
    private static let tickInterval: Duration = .milliseconds(100)

    mutating func run() {
        while let events = mailbox.take(patience: ShipperLoop.tickInterval) {
            for event in gathered(events) { perform(handle(event)) }
            let now = SteadyClock.now()
            if now.microseconds(since: lastTick) >= 50_000 {
                lastTick = now
                perform(session.tick(now: now, &random))
                shipSpans()
                askForAccounts(now)
                askForWatermark(now)
                log(journal.tick(connection.status, now: .now))
            }
            showPhase()
        }
    }

    /// Neighbouring commits as one event: the session looks at the last head only.
    private func gathered(_ events: [Shipper.Event]) -> [Shipper.Event] {
        var gathered: [Shipper.Event] = []
        for event in events {
            if case .appended(let head, let byteCount, let traced) = event,
                case .appended(_, let before, let tracedBefore)? = gathered.last
            {
                gathered[gathered.count - 1] = .appended(
                    head, byteCount: before + byteCount, traced: tracedBefore + traced)
            } else {
                gathered.append(event)
            }
        }
        return gathered
    }

    // MARK: Events in

    private mutating func handle(_ event: Shipper.Event) -> [OutboxSession.Action] {
        switch event {
        case .appended(let head, let byteCount, let traced):
            self.head = head
            trace.appended(traced)
            return session.appended(head, byteCount: byteCount)
        case .unusable(let number, let sessionNumber):
            snapshots.unusable(number, session: sessionNumber)
            return []
        case .wanted(let account):
            snapshots.want(account)
            return []
        case .prepared(let number, let found, let hasAnnounced, let bytesBehind):
            parts.board.update { $0[stream]?.backlogBytes = bytesBehind }
            underWay.removeAll()
            trace.lost(beyond: found?.sequence ?? 0)
            return session.prepared(
                session: number, resume: found, hasAnnounced: hasAnnounced,
                oldestRetained: oldestRetained,
                unsentBytes: Int(bytesBehind), now: SteadyClock.now(), &random)
        case .promised(let time, let acknowledged):
            sayWatermark(time, acknowledged: acknowledged)
            return []
        case .mqtt(.connected):
            log(journal.connected(now: .now))
            noteWait()
            parts.board.update { $0.offlineSince = nil }
            publishStatus(isOnline: true)
            return session.connected(now: SteadyClock.now(), &random)
        case .mqtt(.disconnected(let failure)):
            let contest = connection.status.contest
            log(journal.disconnected(failure, contest: contest, now: .now))
            underWay.removeAll()
            trace.lost(beyond: acknowledged.sequence)
            parts.board.update { $0.offlineSince = $0.offlineSince ?? WallClock.now() }
            session.disconnected()
            return []
        case .mqtt(.delivered): return session.transportHasRoom()
        case .mqtt(.rejected(_, let failure)):
            parts.logger.warning(
                "the broker refused a message", metadata: ["mqtt.reason": "\(failure)"])
            return []
        case .mqtt(.message(let message)): return receive(message)
        }
    }

    private func log(_ line: ConnectionJournal<ContinuousClock.Instant>.Line?) {
        guard let line else { return }
        var metadata = line.metadata.mapValues { Logger.MetadataValue.string($0) }
        metadata["sync.backlog"] = "\(head.sequence - min(acknowledged.sequence, head.sequence))"
        parts.logger.log(
            level: line.isWarning ? .warning : .info, "\(line.message)", metadata: metadata)
    }

    private mutating func receive(_ message: MQTTMessage) -> [OutboxSession.Action] {
        do throws(WireError) {
            let frame = try Frame(decoding: message.payload)
            guard let content = try Message(frame) else { return [] }
            return answer(content, frame.session)
        } catch {
            parts.logger.warning("dropped a broken message", metadata: ["sync.error": "\(error)"])
            return []
        }
    }

    private mutating func answer(_ message: Message, _ number: UInt64) -> [OutboxSession.Action] {
        let now = SteadyClock.now()
        switch message {
        case .welcome(let welcome): return session.welcomed(welcome)
        case .ack(let ack) where ack.stream == stream:
            return session.acknowledged(ack, session: number, now: now, &random)
        case .needs(let needs) where needs.stream == stream:
            return session.needed(needs, session: number)
        case .needsDefinitions(let needs) where needs.stream == stream:
            return session.neededDefinitions(needs, session: number)
        case .accountSnapshot(let snapshot): take(snapshot, number)
        case .hub(let notice) where notice.isUp: session.aggregatorCameUp(now: now, &random)
        default: break
        }
        return []
    }

    // MARK: Accounts

    private mutating func take(_ snapshot: AccountSnapshot, _ number: UInt64) {
        snapshots.follow(session: session.streamingSession, hub: seen.hub)
        guard snapshots.received(snapshot, session: number) else { return }
        let mailbox = mailbox
        let unusable = Shipper.Event.unusable(number: snapshot.number, session: number)
        let isPosted = commits.post(
            .snapshot(snapshot) { isUsed in if !isUsed { mailbox.post(unusable) } })
        if !isPosted { snapshots.unusable(snapshot.number, session: number) }
    }

    private mutating func askForAccounts(_ now: SteadyTime) {
        snapshots.follow(session: session.streamingSession, hub: seen.hub)
        let backlog = parts.board.current.backlogBytes
        let isCaughtUp = backlog < UInt64(parts.configuration.limits.ownTailBytesMax / 2)
        guard
            let ask = snapshots.tick(now: now, isCaughtUp: isCaughtUp, stream: stream, &random)
        else { return }
        let message = Message.accountRequest(ask.request)
        let content = message.framed(session: ask.session).signedContent(parts.hasher)
        publish(message, session: ask.session, signature: parts.signer.sign(content))
    }

    // MARK: Actions out

    private mutating func perform(_ actions: [OutboxSession.Action]) {
        var queue = actions[...]
        while let action = queue.popFirst() {
            let following = perform(action)
            if !following.isEmpty { queue = following + queue }
        }
    }

    private mutating func perform(_ action: OutboxSession.Action) -> [OutboxSession.Action] {
        switch action {
        case .sendHello(let nonce, let lastSession): sendHello(nonce, lastSession)
        case .prepare(let number, let leaves, let announced): prepare(number, leaves, announced)
        case .sendProof(let challenge, let number, let proof): sendProof(challenge, number, proof)
        case .sendSegments(let number, let after, let through, let byteCountMax):
            return sendSegments(number, after, through, byteCountMax)
        case .locate(let place): return locate(place)
        case .sendDefinitions(let number, let needs): sendDefinitions(number, needs)
        case .release(let ack, let attempt): release(ack, attempt)
        case .see(let seen):
            guard seen != self.seen else { return [] }
            if let before = self.seen.hub, let hub = seen.hub, hub != before {
                parts.logger.warning(
                    "another aggregator answers",
                    metadata: ["hub.before": "\(before)", "hub.now": "\(hub)"])
            }
            self.seen = seen
            commits.post(.see(seen))
        case .stop(let finding):
            parts.logger.critical(
                "stream stopped", metadata: ["sync.finding": "\(finding.sentence)"])
            commits.post(.stop(finding.sentence))
        case .hold(let finding):
            parts.logger.error(
                "stream held", metadata: ["sync.finding": "\(finding.sentence)"])
        case .refuse(let finding):
            parts.logger.warning(
                "message refused", metadata: ["sync.finding": "\(finding.sentence)"])
        }
        return []
    }

    private func publish(_ message: Message, session: UInt64, signature: Signature? = nil) {
        let payload = message.framed(session: session, signature: signature).encoded()
        hand(MQTTMessage(topic: Topics.up(parts.configuration.agent), payload: payload))
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

    private var oldestRetained: UInt64 { parts.board.current.writing.oldestRetained }

    private mutating func sendHello(_ nonce: [UInt8], _ lastSession: UInt64) {
        let hello = Hello(
            nonce: nonce, lastSession: lastSession, head: head, acknowledged: acknowledged,
            seen: seen,
            oldestRetained: oldestRetained,
            softwareVersion: Hello.fitting(version: parts.configuration.softwareVersion),
            genesis: parts.store.writing.genesis)
        greeting = hello.digest(parts.hasher)
        publish(.hello(hello), session: 0)
    }

    /// Makes the session's number durable, on the thread that writes, and finds where to resume.
    private func prepare(_ number: UInt64, _ leaves: [ChainPoint], _ announced: ChainPoint) {
        let parts = parts
        let mailbox = mailbox
        let stream = stream
        commits.post(
            .session(number) { isDurable in
                guard isDurable else { return }
                do throws(StoreError) {
                    let (found, bytesBehind) = try parts.store.locate(leaves, in: stream)
                    // On the thread that prunes, so that nothing of what this aggregator lacks goes
                    // in between.
                    parts.board.update { $0[stream]?.held = found?.sequence ?? 0 }
                    let hasAnnounced = try parts.store.passes(announced, in: stream)
                    mailbox.post(
                        .prepared(
                            session: number, found: found, hasAnnounced: hasAnnounced,
                            bytesBehind: bytesBehind))
                } catch {
                    parts.logger.error(
                        "cannot search the log", metadata: ["store.error": "\(error)"])
                }
            })
    }

    private func sendProof(_ challenge: [UInt8], _ number: UInt64, _ proof: Proof) {
        guard let greeting else { return }
        let content = proof.signedContent(
            challenge: challenge, greeting: greeting, session: number)
        publish(.proof(proof), session: number, signature: parts.signer.sign(content))
    }

    private mutating func sendSegments(
        _ number: UInt64, _ after: UInt64, _ through: UInt64, _ byteCountMax: Int
    ) -> [OutboxSession.Action] {
        do throws(StoreError) {
            let stored = try parts.store.segments(
                of: stream, after: after, byteCountMax: byteCountMax
            ).prefix { $0.end.sequence <= through }
            guard let last = stored.last else { return [] }
            let now = WallClock.now()
            let sending = trace.begin(stored, attempt: session.attemptOfNext)
            var message = SegmentsMessage(
                stream: stream, sentAt: now, attempt: session.attemptOfNext,
                segments: stored.map(\.segment.bytes))
            if let sending { message.traces = [sending.trace] }
            let content = SegmentsMessage.signedContent(
                session: number, stream: stream, lastHash: last.hash)
            let frame = Message.segments(message).framed(
                session: number, signature: parts.signer.sign(content))
            let topic = Topics.up(parts.configuration.agent)
            let isHandedOver = hand(MQTTMessage(topic: topic, payload: frame.encoded()))
            trace.sent(sending, isHandedOver: isHandedOver)
            guard isHandedOver else { return [] }
            for one in stored { underWay.append((one.end, one.segment.bytes.count, now)) }
            let byteCount = stored.reduce(0) { $0 + $1.segment.bytes.count }
            metrics.publishedSegments.increment(by: stored.count)
            metrics.publishedBytes.increment(by: byteCount)
            return session.sent(ends: stored.map(\.end), byteCount: byteCount)
        } catch {
            parts.logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
            return []
        }
    }

    private mutating func locate(_ place: ChainPoint) -> [OutboxSession.Action] {
        do throws(StoreError) {
            let (found, bytesBehind) = try parts.store.locate([place], in: stream)
            if found != nil {
                underWay.removeAll { $0.end.sequence > place.sequence }
                trace.lost(beyond: place.sequence)
            }
            return session.rewound(
                to: place, found: found != nil, unsentBytes: Int(bytesBehind),
                now: SteadyClock.now(),
                &random)
        } catch {
            parts.logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
            return []
        }
    }

    /// Definitions in messages that a broker takes.
    private func sendDefinitions(_ number: UInt64, _ needs: NeedsDefinitions) {
        let perMessage = Frame.byteCountMax / 2 / Definition.textBytesMax
        do throws(StoreError) {
            let definitions = try parts.store.definitions(
                of: stream, from: needs.first, through: needs.through)
            for start in stride(from: 0, to: definitions.count, by: perMessage) {
                let end = min(start + perMessage, definitions.count)
                let message = Message.definitions(
                    DefinitionsMessage(
                        stream: stream, segment: needs.segment,
                        first: needs.first + UInt32(start),
                        definitions: Array(definitions[start..<end]),
                        isLast: end == definitions.count))
                let content = message.framed(session: number).signedContent(parts.hasher)
                publish(message, session: number, signature: parts.signer.sign(content))
            }
        } catch {
            parts.logger.error("cannot read the dictionary", metadata: ["store.error": "\(error)"])
        }
    }

    // MARK: Watermarks

    private mutating func askForWatermark(_ now: SteadyTime) {
        let head = head.sequence
        switch watermarks.tick(session.confirmed, head: head, now: now, &random) {
        case .promise(let acknowledged):
            let mailbox = mailbox
            commits.post(
                .promiseTime(acknowledged: acknowledged) { time in
                    mailbox.post(.promised(time, acknowledged: acknowledged))
                })
        case .lookUp(let acknowledged):
            do throws(StoreError) {
                let next = try parts.store.segment(
                    containing: EventPlace(stream: stream, sequence: acknowledged + 1))
                sayWatermark(next?.segment.timeBefore, acknowledged: acknowledged)
            } catch {
                parts.logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
            }
        case nil: break
        }
    }

    private mutating func sayWatermark(_ time: HybridTimestamp?, acknowledged: UInt64) {
        guard
            let statement = watermarks.found(
                time, acknowledged: acknowledged, session.confirmed, now: SteadyClock.now())
        else { return }
        let number = statement.confirmed.session
        let message = Message.watermark(
            Watermark(
                stream: stream, acknowledged: statement.confirmed.acknowledged,
                through: statement.through, sentAt: WallClock.now()))
        let content = message.framed(session: number).signedContent(parts.hasher)
        publish(message, session: number, signature: parts.signer.sign(content))
    }

    // MARK: Acknowledgements

    private mutating func release(_ ack: Ack, _ attempt: UInt32) {
        metrics.acknowledgements.increment()
        let now = WallClock.now()
        let settling = trace.settling(ack)
        let covered = underWay.prefix { $0.end.sequence <= ack.through.sequence }
        let reason = waited.flatMap { acknowledged.sequence < $0.through ? $0.reason : nil }
        let receipt = Receipt(
            stream: stream, first: acknowledged.sequence + 1, through: ack.through, hub: ack.hub,
            position: nil,
            publishedAt: covered.first?.at, attempt: attempt, acknowledgedAt: now,
            receivedAt: ack.receivedAt,
            committedAt: ack.committedAt, waitedFor: reason ?? "")
        let bytes = covered.reduce(0) { $0 + $1.byteCount }
        underWay.removeFirst(covered.count)
        acknowledged = ack.through
        if let waited, ack.through.sequence >= waited.through { self.waited = nil }
        parts.board.update { board in
            board.writing.acknowledged = ack.through.sequence
            board.writing.backlogBytes -= min(board.writing.backlogBytes, UInt64(bytes))
            board.lastAckAt = now
        }
        for receipt in receipt.split(by: ack.runs) { commits.post(.receipt(receipt)) }
        trace.settled(ack, settling)
        spans.acknowledged()
    }

    private mutating func shipSpans() {
        guard session.phase == .streaming else { return }
        do {
            let isIdle = acknowledged.sequence == head.sequence
            guard let parcel = try spans.next(now: .now(), isIdle: isIdle) else { return }
            if !hand(parcel.message) { spans.refused(parcel) }
        } catch {
            parts.logger.warning("spans were lost", metadata: ["tracing.error": "\(error)"])
        }
    }

    /// What waits now has waited for the network: its receipts will say so.
    private mutating func noteWait() {
        let status = connection.status
        guard head.sequence > acknowledged.sequence, let failure = status.lastFailure else {
            return
        }
        waited = (head.sequence, "\(failure)")
    }

    private func publishStatus(isOnline: Bool) {
        hand(
            StatusMessage.make(
                isOnline: isOnline, agent: parts.configuration.agent,
                stream: stream, head: head,
                signer: parts.signer, hasher: parts.hasher))
    }

    private mutating func showPhase() {
        let phase = session.phase
        let hasBacklog = head.sequence > acknowledged.sequence
        let held = session.held
        var isOffline = false
        parts.board.update { board in
            board.phase = phase
            board.writing.held = held ?? board.writing.held
            isOffline = board.offlineSince != nil
            if phase == .streaming || !hasBacklog {
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
    static func make(
        isOnline: Bool, agent: AgentID, stream: StreamTag, head: ChainPoint, signer: any Signer,
        hasher: any ContentHasher
    ) -> MQTTMessage {
        let message = Message.status(
            Status(isOnline: isOnline, stream: stream, head: head, at: WallClock.now()))
        let content = message.framed(session: 0).signedContent(hasher)
        let frame = message.framed(session: 0, signature: signer.sign(content))
        return MQTTMessage(topic: Topics.status(agent), payload: frame.encoded(), retain: true)
    }
}
