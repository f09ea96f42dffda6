import LedgerCore
import SyncProtocol

extension OutboxSession {
    /// What flows in a session that is proved.
    struct Window: Hashable, Sendable {
        var session: UInt64
        var credit: Credit
        /// The last event that the aggregator is known to have.
        var acknowledged: UInt64
        /// Its hash in our chain; nil where the session began at the oldest that is retained, on
        /// nobody's word.
        var acknowledgedHash: Hash256?
        /// The last event handed to the transport in this session.
        var sent: UInt64
        /// Its hash; nil where the session began at the oldest that is retained.
        var sentHash: Hash256?
        /// Bytes of segments that are committed but not sent.
        var unsentBytes: Int
        var inFlight: [InFlight] = []
        /// Places that the shell is looking up for us.
        var locating: [ChainPoint] = []
        /// No progress until then: greet anew. Nil until a tick sees that there is something to
        /// wait for.
        var deadline: SteadyTime?
        /// The highest place that was gone back to: to go back there again is no progress.
        var rewoundTo: UInt64?
        var confirmed = false
    }

    struct InFlight: Hashable, Sendable {
        /// At least one.
        var ends: [ChainPoint]
        let byteCount: Int
        let attempt: UInt32
        let sentAt: Timestamp?
        var last: UInt64 { ends[ends.count - 1].sequence }
    }

    /// The last event that the aggregator of the session under way has said that it holds; nil
    /// where none is, or where it was not said at a place of our chain.
    package var held: UInt64? {
        guard case .streaming(let window) = state, window.acknowledgedHash != nil else {
            return nil
        }
        return window.acknowledged
    }

    /// How far the session under way has handed the chain to the transport; nil where none is, or where
    /// nothing was handed over and it began at the oldest that is retained.
    package var sentThrough: ChainPoint? {
        guard case .streaming(let window) = state, let hash = window.sentHash else { return nil }
        return ChainPoint(sequence: window.sent, hash: hash)
    }

    /// The attempt that a message sent now is: how often its first segment was handed over before,
    /// plus one.
    package var attemptOfNext: UInt32 { attempt }

    /// What the session under way has acknowledged.
    package struct Confirmed: Hashable, Sendable {
        package let session: UInt64
        package let acknowledged: ChainPoint

        package init(session: UInt64, acknowledged: ChainPoint) {
            self.session = session
            self.acknowledged = acknowledged
        }
    }

    /// Nil outside of a session, and in one that has acknowledged nothing yet.
    package var confirmed: Confirmed? {
        guard case .streaming(let window) = state, window.confirmed else { return nil }
        // Of a stream in which nothing was recorded yet, nothing is missing.
        let isEmpty = window.acknowledged == 0
        guard let hash = window.acknowledgedHash ?? (isEmpty ? .zero : nil) else { return nil }
        return Confirmed(
            session: window.session,
            acknowledged: ChainPoint(sequence: window.acknowledged, hash: hash))
    }

    // MARK: Sending

    /// A group commit made events durable up to `head`.
    package mutating func appended(_ head: ChainPoint, byteCount: Int) -> [Action] {
        precondition(head.sequence > self.head.sequence, "the head moves forward only")
        self.head = head
        guard case .streaming(var window) = state else { return [] }
        window.unsentBytes += byteCount
        return advance(window)
    }

    /// The shell has handed one message to the transport.
    ///
    /// - Parameters:
    ///   - ends: the places of its segments, in order; empty where nothing could be handed over now.
    ///   - at: when, by the device's clock; nil for segments that cannot be read here and are passed
    ///     over.
    package mutating func sent(ends: [ChainPoint], byteCount: Int, at: Timestamp?) -> [Action] {
        guard case .streaming(var window) = state, let last = ends.last else { return [] }
        precondition(
            last.sequence <= head.sequence,
            "sent \(last.sequence), beyond the head \(head.sequence)")
        window.inFlight.append(
            InFlight(ends: ends, byteCount: byteCount, attempt: attempt, sentAt: at))
        window.sent = last.sequence
        window.sentHash = last.hash
        // The shell may have told of a commit twice, in a look-up and as appended: at the head
        // nothing is unsent.
        window.unsentBytes =
            last.sequence == head.sequence ? 0 : max(0, window.unsentBytes - byteCount)
        if last.sequence > sentEver {
            sentEver = last.sequence
            attempt = 1
        }
        return advance(window)
    }

    /// The transport took nothing before, and has room again.
    package mutating func transportHasRoom() -> [Action] {
        guard case .streaming(let window) = state else { return [] }
        return advance(window)
    }

    /// Asks for the next message where head and credit allow, and stores the window that results.
    mutating func advance(_ window: Window) -> [Action] {
        precondition(window.acknowledged <= window.sent && window.sent <= head.sequence)
        state = .streaming(window)
        guard window.sent < head.sequence, window.locating.isEmpty else { return [] }
        let oneSegment = SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax)
        let room = Int(window.credit.bytes) - window.inFlight.reduce(0) { $0 + $1.byteCount }
        // What is passed over takes no room: that it is lost is acknowledged with what comes behind it.
        let messages = window.inFlight.count { $0.sentAt != nil }
        guard room >= oneSegment || messages == 0, messages < messagesMax(window) else { return [] }
        let byteCountMax = min(SegmentsMessage.segmentBytesMax, max(room, oneSegment))
        return [
            .sendSegments(
                session: window.session, after: window.sent, through: head.sequence,
                byteCountMax: byteCountMax)
        ]
    }

    /// The transport's own room is for the stream that is written before all others.
    private func messagesMax(_ window: Window) -> Int {
        let granted = Int(window.credit.messages)
        guard isWriting else { return min(limits.formerMessagesInFlightMax, granted) }
        let isFull = window.unsentBytes >= limits.fullMessageBytes
        return isFull ? granted : min(limits.smallMessagesInFlightMax, granted)
    }

    mutating func resend(from sequence: UInt64) {
        attempt = sequence < sentEver ? attempt + 1 : 1
    }

    // MARK: Answers

    /// The aggregator has committed everything up to `ack.through`. A late or repeated
    /// acknowledgement changes nothing; one that cannot be ours is not believed.
    package mutating func acknowledged(
        _ ack: Ack, session: UInt64, now: SteadyTime, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard case .streaming(var window) = state, session == window.session else { return [] }
        let through = ack.through.sequence
        guard through <= head.sequence else {
            return [.refuse(.acknowledgedUnsent(through: through))]
        }
        // It has all of our chain, which its welcome could not say: others have gone on behind it.
        if through > window.sent, ack.through == head { window.skip(to: head) }
        // It merged late what an earlier session sent, or what we went back behind. Its welcome
        // will say how far it is.
        guard through <= window.sent else {
            greetLater(now, &random)
            return []
        }
        guard through >= window.acknowledged else { return [] }
        let before = window.acknowledged
        guard let covered = window.acknowledge(ack.through) else {
            return [.refuse(.acknowledgedForeign(ack.through))]
        }
        // Where all of it is pruned, the session began there on nobody's word.
        if ack.through == head { window.acknowledgedHash = head.hash }
        greetings = 0
        window.confirmed = true
        window.deadline = deadline(now, &random)
        guard through > before || through > released, window.acknowledgedHash != nil else {
            return advance(window)
        }
        let progress = Progress(
            ack: ack, after: before, released: released, attempt: covered.attempt,
            sentAt: covered.sentAt, byteCount: covered.byteCount)
        released = max(released, through)
        return [.progress(progress)] + advance(window)
    }

    /// The aggregator misses what follows some places, of one of which our chain must go on: find it
    /// and go back to it. What is acknowledged it does not miss: such a message is late.
    package mutating func needed(_ needs: Needs, session: UInt64) -> [Action] {
        guard case .streaming(var window) = state, session == window.session else { return [] }
        let places = needs.gaps.map(\.after).filter {
            $0.sequence < window.sent && $0.sequence >= window.acknowledged
        }
        guard window.locating.isEmpty, !places.isEmpty else { return [] }
        window.locating = places
        state = .streaming(window)
        return [.locate(places)]
    }

    /// The places were looked up.
    ///
    /// - Parameters:
    ///   - point: the highest of them that is in our chain; nil for none.
    ///   - unsentBytes: of the segments behind it.
    package mutating func rewound(
        to point: ChainPoint?, of places: [ChainPoint], unsentBytes: Int, now: SteadyTime,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard case .streaming(var window) = state, !places.isEmpty, window.locating == places
        else { return [] }
        window.locating = []
        guard let point else {
            state = .streaming(window)
            return [.refuse(.needsForeign(places[0]))]
        }
        guard point.sequence >= window.acknowledged else { return advance(window) }
        window.goBack(to: point)
        window.unsentBytes = unsentBytes
        if point.sequence > window.rewoundTo ?? 0 {
            window.rewoundTo = point.sequence
            window.deadline = deadline(now, &random)
        }
        resend(from: window.sent)
        return advance(window)
    }

    package mutating func neededDefinitions(_ needs: NeedsDefinitions, session: UInt64) -> [Action]
    {
        guard case .streaming(let window) = state, session == window.session,
            needs.first < needs.through
        else {
            return []
        }
        return [.sendDefinitions(session: session, needs)]
    }
}

extension OutboxSession.Window {
    fileprivate struct Covered {
        var attempt: UInt32 = 1
        var sentAt: Timestamp?
        var byteCount = 0
    }

    /// - Returns: what brought the place there; nil where it is not the end of a segment of ours.
    fileprivate mutating func acknowledge(_ point: ChainPoint) -> Covered? {
        if point.sequence == acknowledged {
            return acknowledgedHash == nil || acknowledgedHash == point.hash ? Covered() : nil
        }
        guard let index = inFlight.firstIndex(where: { $0.ends.contains(point) }) else {
            return nil
        }
        var covered = Covered(attempt: inFlight[index].attempt, sentAt: inFlight[0].sentAt)
        let count = inFlight[index].last == point.sequence ? index + 1 : index
        covered.byteCount = inFlight[..<count].reduce(0) { $0 + $1.byteCount }
        inFlight.removeFirst(count)
        acknowledged = point.sequence
        acknowledgedHash = point.hash
        return covered
    }

    /// What was not sent in this session up to that place need not be sent.
    fileprivate mutating func skip(to point: ChainPoint) {
        inFlight.append(
            OutboxSession.InFlight(ends: [point], byteCount: 0, attempt: 1, sentAt: nil))
        sent = point.sequence
        sentHash = point.hash
        unsentBytes = 0
    }

    /// What was sent beyond the place no longer counts as under way; what was sent up to it still
    /// does.
    fileprivate mutating func goBack(to point: ChainPoint) {
        for index in inFlight.indices {
            inFlight[index].ends.removeAll { $0.sequence > point.sequence }
        }
        inFlight.removeAll { $0.ends.isEmpty }
        sent = point.sequence
        sentHash = point.hash
    }
}
