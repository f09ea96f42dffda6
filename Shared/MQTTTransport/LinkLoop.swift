import Glibc

/// Drives one link from connecting to its end, on the connection's thread.
///
/// **Function.** `run` returns when the link has ended, with the cause. In between, each turn hands
/// waiting publishes to the library, writes, rests in poll, reads, and tells the handler what
/// arrived, after the library has returned and its mutexes are free.
///
/// **Implementation.** `LinkSession` decides; this performs. All that is written between two rests
/// goes out together, and is acknowledged together.
final class LinkLoop {
    /// How a link ended, and whether the version of MQTT may be the cause.
    struct End {
        let failure: MQTTFailure
        let evidence: VersionChoice.Evidence?
        let wasOnline: Bool
    }

    private enum Stopping {
        case no
        /// The farewell, if there is one, has not been acknowledged.
        case saying(deadline: ContinuousClock.Instant)
        /// DISCONNECT is queued.
        case leaving(deadline: ContinuousClock.Instant)
    }

    /// Reads in one turn before publishing gets its turn again.
    private static let readsPerTurnMax = 32
    /// The library counts the keepalive in whole seconds.
    private static let tick: Duration = .seconds(1)

    private let limits: MQTTLimits
    private let version: MQTTStatus.Version
    private let link: MosquittoLink
    private let mailbox: Mailbox
    /// Tells the handler.
    private let emit: (MQTTEvent) -> Void
    /// The policy wants to know when it connected, and that it still is.
    private let onTick: (_ isOnline: Bool, _ now: ContinuousClock.Instant) -> Void

    private var session: LinkSession
    private var broker = PublishWindow.BrokerLimits()
    private var filters: [Int32: String] = [:]
    private var inFlight = InFlight()
    private var stopping = Stopping.no
    private var wasOnline = false
    private var versionRefused = false
    private var mayHaveMoreToRead = false
    private var handshakeDeadline: ContinuousClock.Instant?
    private var lastAcknowledgement = ContinuousClock.now
    private var nextTick = ContinuousClock.now
    private var oversizeReported: UInt64 = 0
    private var outgoing: [Mailbox.Outgoing] = []
    private var packets: [MosquittoInbox.Packet] = []
    private var events: [MQTTEvent] = []

    init(
        configuration: MQTTConfiguration,
        version: MQTTStatus.Version,
        mailbox: Mailbox,
        emit: @escaping (MQTTEvent) -> Void,
        onTick: @escaping (_ isOnline: Bool, _ now: ContinuousClock.Instant) -> Void
    ) throws(MQTTFailure) {
        limits = configuration.limits
        self.version = version
        link = try MosquittoLink(configuration: configuration, version: version)
        self.mailbox = mailbox
        self.emit = emit
        self.onTick = onTick
        session = LinkSession(subscriptions: configuration.subscriptions)
    }

    func run() -> End {
        let failure = untilFailure()
        return End(failure: failure, evidence: evidence(failure), wasOnline: wasOnline)
    }

    private func untilFailure() -> MQTTFailure {
        do throws(MQTTFailure) {
            try link.connect()
            handshakeDeadline = .now.advanced(by: limits.handshakeMax)
            while true { try turn() }
        } catch {
            return error
        }
    }

    private func turn() throws(MQTTFailure) {
        try handOverWaiting()
        if link.wantsWrite { try afterDriving(link.write()) }
        link.acknowledgeAtOnce()
        let found = try rest()
        if found & ~Int16(POLLOUT) != 0 || mayHaveMoreToRead { try readWhatIsThere() }
        let now = ContinuousClock.now
        if now >= nextTick {
            nextTick = now.advanced(by: Self.tick)
            try afterDriving(link.keepAlive())
            onTick(session.isOnline, now)
        }
        try checkDeadlines(now)
    }

    private func evidence(_ failure: MQTTFailure) -> VersionChoice.Evidence? {
        guard !versionRefused else { return .said }
        guard session.awaitsAcceptance else { return nil }
        switch failure {
        case .closedByBroker(nil), .broken: return .closed
        default: return nil
        }
    }
}

// MARK: - Out

extension LinkLoop {
    private func handOverWaiting() throws(MQTTFailure) {
        let stop = mailbox.take(into: &outgoing)
        if !outgoing.isEmpty, inFlight.isEmpty { lastAcknowledgement = .now }
        for item in outgoing {
            let messageID = try link.publish(item.message)
            inFlight.append(.delivery(item.delivery), messageID: messageID)
        }
        // The library has its own copies; these must not be kept through a long rest.
        outgoing.removeAll(keepingCapacity: true)
        if let stop, case .no = stopping { try beginStopping(stop) }
    }

    private func beginStopping(_ stop: Mailbox.StopRequest) throws(MQTTFailure) {
        // Before CONNACK there is no will to take back, and nobody to say it to.
        guard !session.awaitsAcceptance else { throw .stopped }
        let deadline = ContinuousClock.now.advanced(by: limits.farewellMax)
        guard session.isOnline, let farewell = stop.farewell else { return leave(deadline) }
        inFlight.append(.farewell, messageID: try link.publish(farewell))
        stopping = .saying(deadline: deadline)
    }

    private func leave(_ deadline: ContinuousClock.Instant) {
        link.disconnect()
        stopping = .leaving(deadline: deadline)
    }
}

// MARK: - In

extension LinkLoop {
    private func rest() throws(MQTTFailure) -> Int16 {
        let descriptor = link.descriptor
        guard descriptor >= 0 else { throw isLeaving ? .stopped : .closedByBroker(cause: nil) }
        let now = ContinuousClock.now
        let duration =
            mayHaveMoreToRead ? .zero : now.duration(to: min(nextTick, deadline ?? nextTick))
        return mailbox.rest(
            descriptor: descriptor, wantsWrite: link.wantsWrite, atMost: duration,
            ignoresStop: isStopping)
    }

    /// Reads until a read brings nothing. The library reads one packet or several, and stops early
    /// whenever an unrelated system call left EAGAIN in errno, perhaps with decrypted bytes still
    /// in OpenSSL's buffer, for which no poll would ever wake us. So only silence ends the reading.
    private func readWhatIsThere() throws(MQTTFailure) {
        for _ in 0..<Self.readsPerTurnMax {
            let failure = link.read()
            let count = try digest()
            if let failure { throw failure }
            guard count > 0 else {
                mayHaveMoreToRead = false
                return
            }
        }
        mayHaveMoreToRead = true
    }

    private func afterDriving(_ failure: MQTTFailure?) throws(MQTTFailure) {
        _ = try digest()
        if let failure { throw isLeaving ? .stopped : failure }
    }

    /// Acts on what the callbacks handed over. Places in the window are freed before the handler
    /// hears of it, so that it can publish at once.
    /// - Returns: the number of packets.
    private func digest() throws(MQTTFailure) -> Int {
        link.takePackets(into: &packets)
        guard !packets.isEmpty else { return noteOversize() }
        var released = 0
        var failure: MQTTFailure?
        for packet in packets where failure == nil {
            do throws(MQTTFailure) {
                try act(on: packet, released: &released)
            } catch {
                failure = error
            }
        }
        if released > 0 {
            mailbox.release(released)
            lastAcknowledgement = .now
        }
        let count = packets.count + noteOversize()
        packets.removeAll(keepingCapacity: true)
        for event in events { emit(event) }
        events.removeAll(keepingCapacity: true)
        if let failure { throw failure }
        return count
    }

    /// - Returns: messages dropped for their size since the last time; they are packets that
    ///   arrived, too.
    private func noteOversize() -> Int {
        let count = link.oversizeDropped - oversizeReported
        guard count > 0 else { return 0 }
        oversizeReported += count
        mailbox.update { $0.oversizeDropped += count }
        return Int(count)
    }

    private func act(
        on packet: MosquittoInbox.Packet, released: inout Int
    ) throws(MQTTFailure) {
        switch packet {
        case .message(let message): events.append(.message(message))
        case .acknowledged(let messageID, let code):
            acknowledged(messageID: messageID, code: code, released: &released)
        case .accepted(let broker):
            self.broker = broker
            guard broker.takesQoS1 else { throw .brokerLacks("QoS 1") }
            try perform(session.accepted())
        case .refused(let code):
            versionRefused = MosquittoLibrary.isAboutVersion(code)
            let cause = MosquittoLibrary.sentence(forReason: code)
            try perform(session.failed(.refused(code: Int(code), cause: cause)))
        case .subscribed(let messageID, let code):
            guard let filter = filters.removeValue(forKey: messageID) else { return }
            try perform(code < 0x80 ? session.granted(filter) : session.denied(filter))
        case .closed(let code):
            let cause = MosquittoLibrary.sentence(forReason: code)
            try perform(session.failed(.closedByBroker(cause: cause)))
        }
    }

    private func acknowledged(messageID: Int32, code: Int32, released: inout Int) {
        switch inFlight.remove(messageID: messageID) {
        case .delivery(let delivery) where code >= 0x80:
            released += 1
            let cause = MosquittoLibrary.sentence(forReason: code)
            let failure = MQTTFailure.publishRejected(code: Int(code), cause: cause)
            mailbox.update {
                $0.rejected += 1
                $0.lastRejection = failure
            }
            events.append(.rejected(delivery, failure))
        case .delivery(let delivery):
            released += 1
            events.append(.delivered(delivery))
        case .farewell:
            if case .saying(let deadline) = stopping { leave(deadline) }
        case nil: break
        }
    }

    private func perform(_ action: LinkSession.Action) throws(MQTTFailure) {
        switch action {
        case .none: break
        case .subscribe(let filters):
            for filter in filters { self.filters[try link.subscribe(filter)] = filter }
        case .announce:
            handshakeDeadline = nil
            wasOnline = true
            link.stopListeningToLog()
            mailbox.openWindow(version: version, broker: broker)
            onTick(true, .now)
            events.append(.connected)
        case .fail(let failure): throw failure
        }
    }
}

// MARK: - Time

extension LinkLoop {
    private var isStopping: Bool {
        if case .no = stopping { false } else { true }
    }

    private var isLeaving: Bool {
        if case .leaving = stopping { true } else { false }
    }

    private var deadline: ContinuousClock.Instant? {
        switch stopping {
        case .saying(let deadline), .leaving(let deadline): deadline
        case .no: handshakeDeadline
        }
    }

    private func checkDeadlines(_ now: ContinuousClock.Instant) throws(MQTTFailure) {
        switch stopping {
        case .saying(let deadline) where now >= deadline:
            // One last turn, so that at least the DISCONNECT may get out.
            leave(now)
            if let failure = link.write() { throw failure }
            throw .stopped
        case .leaving(let deadline) where now >= deadline: throw .stopped
        case .saying, .leaving: return
        case .no: break
        }
        if let handshakeDeadline, now >= handshakeDeadline { throw .handshakeTimedOut }
        guard !inFlight.isEmpty else { return }
        guard lastAcknowledgement.duration(to: now) < limits.acknowledgementMax else {
            throw .acknowledgementsStopped
        }
    }
}
