import LedgerCore
import SyncProtocol

/// The agent's half of a sync session: what to send next, and what may be released.
///
/// **Overview.** The agent greets, the aggregator says what it has and grants credit, the agent
/// proves that it holds the stream's key, then segments flow and acknowledgements come back. Only
/// an acknowledgement of the current session, at a hash of our own chain, releases anything; what
/// the broker says means nothing here.
///
/// **Function.** Feed it events, perform the actions that it returns in their order, and call
/// `tick` a few times a second. Whatever gets lost on the way, the cure is one: greet anew, and
/// resume from what the aggregator then says it has.
///
/// **Implementation.** All state is in one enum. The machine knows places in the chain, not
/// segments: `sendSegments` asks the shell to read and send one message, and `sent` tells the
/// machine how far that went.
///
/// **Invariants.** `acknowledged ≤ sent ≤ head`, and nothing is released that this session did not
/// acknowledge; what is under way keeps within the credit, but for one segment, which may always
/// go; `released` never moves back, also where the aggregator was restored and is sent older events
/// again; once stopped, nothing is sent.
package struct OutboxSession: ~Copyable {
    package enum Action: Hashable, Sendable {
        case sendHello(nonce: [UInt8], lastSession: UInt64)
        /// Find which of these places are in our chain, make the session's number durable, then say
        /// `prepared`.
        case prepare(session: UInt64, leaves: [ChainPoint], announced: ChainPoint)
        case sendProof(challenge: [UInt8], session: UInt64, Proof)
        /// Send one message of segments behind `after`, up to `through` and so many bytes, then say
        /// `sent`. More may be durable by now; the machine hears of it with the next `appended`.
        case sendSegments(session: UInt64, after: UInt64, through: UInt64, byteCountMax: Int)
        /// Find whether this place is in our chain, then say `rewound`.
        case locate(ChainPoint)
        case sendDefinitions(session: UInt64, NeedsDefinitions)
        /// Everything through this acknowledgement is safe at the aggregator.
        case release(Ack, attempt: UInt32)
        /// The next segments are to say that their writer knew this.
        case see(Seen)
        /// This stream may not go on from here; new transactions are refused until an operator
        /// decides.
        case stop(Finding)
        /// Nothing can be sent to this aggregator, but transactions are still taken: it lacks what is
        /// no longer here.
        case hold(Finding)
        /// A message of the other side that cannot be right: counted and logged, not believed.
        case refuse(Finding)
    }

    package enum Finding: Hashable, Sendable {
        /// The aggregator heard of a later head than ours: this data folder is an older copy.
        case rolledBack(announced: UInt64, head: UInt64)
        /// The head that this stream announced is not in our chain: two folders went on from one
        /// copy.
        case diverged(announced: ChainPoint)
        /// The aggregator closed the stream.
        case closed(Standing)
        case acknowledgedUnsent(through: UInt64)
        case acknowledgedForeign(ChainPoint)
        case needsForeign(ChainPoint)
        /// The aggregator lacks these, and this agent has pruned them.
        case prunedWhatIsLacking(ClosedRange<UInt64>)

        /// For people.
        package var sentence: String {
            switch self {
            case .rolledBack(let announced, let head):
                "this data folder ends at event \(head), but its stream was already at "
                    + "\(announced): it is an older copy, restored or cloned"
            case .diverged(let announced):
                "event \(announced.sequence), which this stream announced, is not the one of this "
                    + "data folder: two devices went on from one copy"
            case .closed(.forked): "two devices wrote this stream: the aggregator has closed it"
            case .closed(.rolledBack):
                "the aggregator has closed this stream: this data folder is an older copy"
            case .closed(let standing): "the aggregator has closed this stream (\(standing.name))"
            case .acknowledgedUnsent(let through):
                "event \(through) was acknowledged but never sent"
            case .acknowledgedForeign(let point):
                "event \(point.sequence) was acknowledged with a hash that is not ours"
            case .needsForeign(let point):
                "what follows event \(point.sequence) was asked for with a hash that is not ours"
            case .prunedWhatIsLacking(let range):
                "the aggregator lacks events \(range.lowerBound) to \(range.upperBound), which it had "
                    + "acknowledged and this agent has pruned since: restore a later backup of the "
                    + "aggregator. What is recorded here stays here"
            }
        }
    }

    /// Where the session stands, for people and for the status page.
    package enum Phase: Hashable, Sendable {
        case offline
        case greeting
        case streaming
        /// Connected, and nothing can be sent.
        case held(Finding)
        case stopped(Finding)
    }

    private enum State {
        case offline
        case greeting(Greeting)
        case preparing(Preparing)
        case streaming(Window)
        /// Until another aggregator comes up, or the connection is another: a later backup of it may
        /// have what this one lacks.
        /// It is asked again now and then. The time is nil until the first tick.
        case holding(Finding, askAgainAt: SteadyTime?)
        case stopped(Finding)
    }

    private struct Greeting {
        var nonce: [UInt8]
        var deadline: SteadyTime
    }

    private struct Preparing {
        var welcome: Welcome
        /// The shell could not write or read, and will never say `prepared`: greet anew. Nil until
        /// the first tick.
        var deadline: SteadyTime?
    }

    fileprivate struct Window {
        var session: UInt64
        var credit: Credit
        /// The last event that the aggregator is known to have.
        var acknowledged: UInt64
        /// Its hash in our chain; nil where the session began at the oldest that is retained, on
        /// nobody's word.
        var acknowledgedHash: Hash256?
        /// The last event handed to the transport in this session.
        var sent: UInt64
        /// Bytes of segments that are committed but not sent.
        var unsentBytes: Int
        var inFlight: [InFlight] = []
        /// A place that the shell is looking up for us.
        var locating: ChainPoint?
        /// No progress until then: greet anew. Nil until a tick sees that there is something to
        /// wait for.
        var deadline: SteadyTime?
        /// The highest place that was gone back to: to go back there again is no progress.
        var rewoundTo: UInt64?
        var confirmed = false
    }

    fileprivate struct InFlight {
        /// At least one.
        var ends: [ChainPoint]
        let byteCount: Int
        let attempt: UInt32
        var last: UInt64 { ends[ends.count - 1].sequence }
    }

    private let stream: StreamTag
    private var state: State = .offline
    private var head: ChainPoint
    private var released: UInt64
    private var lastSession: UInt64
    /// The highest event ever handed to the transport: what goes beyond it is sent for the first
    /// time.
    private var sentEver: UInt64
    private var attempt: UInt32 = 1
    private var greetings = 0
    /// When to greet an aggregator that came up.
    private var resumeAt: SteadyTime?
    private let limits: AgentLimits

    package init(
        stream: StreamTag, head: ChainPoint, released: UInt64, lastSession: UInt64,
        limits: AgentLimits
    ) {
        precondition(
            released <= head.sequence, "released \(released) lies beyond the head \(head.sequence)")
        self.stream = stream
        self.head = head
        self.released = released
        self.lastSession = lastSession
        self.limits = limits
        sentEver = released
    }

    package var phase: Phase {
        switch state {
        case .offline: .offline
        case .greeting, .preparing: .greeting
        case .streaming: .streaming
        case .holding(let finding, _): .held(finding)
        case .stopped(let finding): .stopped(finding)
        }
    }

    /// The number of the session that is proved, from our side.
    package var streamingSession: UInt64? {
        if case .streaming(let window) = state { window.session } else { nil }
    }

    /// The last event that the aggregator of the session under way has said that it holds; nil
    /// where none is, or where it was not said at a place of our chain.
    package var held: UInt64? {
        guard case .streaming(let window) = state, window.acknowledgedHash != nil else {
            return nil
        }
        return window.acknowledged
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

    // MARK: The transport

    package mutating func connected(now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        if case .stopped = state { return [] }
        greetings = 0
        return greet(now, &random)
    }

    package mutating func disconnected() {
        if case .stopped = state { return }
        state = .offline
        resumeAt = nil
    }

    private mutating func greet(_ now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        let nonce = (0..<Hello.nonceByteCount).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        state = .greeting(Greeting(nonce: nonce, deadline: deadline(now, &random)))
        greetings += 1
        resumeAt = nil
        return [.sendHello(nonce: nonce, lastSession: lastSession)]
    }

    /// `min(cap, base · 2ⁿ)`, the upper half of it at random: never at once, never all agents
    /// together.
    private func deadline(_ now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> SteadyTime
    {
        let doubled = limits.greetingDelayBase << Int64(min(greetings, 20))
        let delay = min(limits.greetingDelayMax, doubled)
        return now.advanced(
            byMicroseconds: delay / 2 + Int64.random(in: 0...delay / 2, using: &random))
    }

    /// Time has passed. Without an answer for too long, the agent greets anew.
    package mutating func tick(now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        if let resumeAt, now >= resumeAt {
            self.resumeAt = nil
            if case .stopped = state { return [] }
            return greet(now, &random)
        }
        switch state {
        case .greeting(let greeting) where now >= greeting.deadline: return greet(now, &random)
        case .preparing(var preparing):
            if let deadline = preparing.deadline, now >= deadline { return greet(now, &random) }
            preparing.deadline = preparing.deadline ?? deadline(now, &random)
            state = .preparing(preparing)
            return []
        case .streaming(let window): return tick(window, now, &random)
        case .holding(let finding, let askAgainAt):
            if let askAgainAt, now >= askAgainAt { return greet(now, &random) }
            let pause = limits.heldGreetingDelay
            let next = now.advanced(
                byMicroseconds: pause / 2 + Int64.random(in: 0...pause / 2, using: &random))
            state = .holding(finding, askAgainAt: askAgainAt ?? next)
            return []
        case .offline, .greeting, .stopped: return []
        }
    }

    private mutating func tick(
        _ window: Window, _ now: SteadyTime, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        var window = window
        let isIdle = window.sent == head.sequence && window.inFlight.isEmpty && window.confirmed
        if isIdle {
            window.deadline = nil
        } else if let deadline = window.deadline {
            if now >= deadline { return greet(now, &random) }
        } else {
            window.deadline = deadline(now, &random)
        }
        // What the shell could not read or hand over when it was asked may go now.
        return advance(window)
    }

    /// The aggregator came up, or a new one: whatever was under way is uncertain. It is greeted by
    /// a `tick` soon, at a random time, for its whole fleet hears this at once.
    package mutating func aggregatorCameUp(
        now: SteadyTime, _ random: inout some RandomNumberGenerator
    ) {
        switch state {
        case .greeting, .preparing, .streaming, .holding:
            let delay = Int64.random(in: 0...limits.resumeDelayMax, using: &random)
            resumeAt = resumeAt ?? now.advanced(byMicroseconds: delay)
        case .offline, .stopped: break
        }
    }

    // MARK: The handshake

    /// The aggregator says what it holds of this stream.
    package mutating func welcomed(_ welcome: Welcome) -> [Action] {
        guard case .greeting(let greeting) = state, welcome.nonce == greeting.nonce else {
            return []
        }
        guard welcome.standing == .open else { return stop(.closed(welcome.standing)) }
        guard welcome.session > lastSession else { return [] }
        state = .preparing(Preparing(welcome: welcome))
        return [
            .prepare(session: welcome.session, leaves: welcome.leaves, announced: welcome.announced)
        ]
    }

    /// The session's number is durable, and the chain was searched.
    ///
    /// - Parameter resume: the highest leaf that is in our chain; nil for none, then everything
    /// retained is sent, unless what the aggregator lacks before it is pruned.
    /// - Parameter hasAnnounced: whether the announced head is in our chain. If not, somebody else
    /// went on from an older copy of this folder, or we did.
    /// - Parameter oldestRetained: the first event that this agent still has.
    package mutating func prepared(
        session: UInt64, resume: ChainPoint?, hasAnnounced: Bool, oldestRetained: UInt64,
        unsentBytes: Int, now: SteadyTime, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        lastSession = max(lastSession, session)
        guard case .preparing(let preparing) = state, preparing.welcome.session == session else {
            return []
        }
        let welcome = preparing.welcome
        guard hasAnnounced else { return testify(welcome) }
        if resume == nil, let lacking = lacking(welcome.leaves, oldestRetained: oldestRetained) {
            return hold(welcome, lacking)
        }
        let from = min(resume?.sequence ?? oldestRetained - 1, head.sequence)
        let window = Window(
            session: session, credit: welcome.credit, acknowledged: from,
            acknowledgedHash: resume?.hash, sent: from, unsentBytes: unsentBytes,
            deadline: deadline(now, &random))
        resend(from: from)
        let first: [Action] = [
            .see(welcome.hub),
            .sendProof(
                challenge: welcome.challenge, session: session, Proof(stream: stream, head: head)),
        ]
        return first + advance(window)
    }

    /// What the aggregator lacks although it cannot be sent any more; nil where nothing, or where its
    /// leaves reach into what is retained and are of another chain, which is another matter.
    private func lacking(
        _ leaves: [ChainPoint], oldestRetained: UInt64
    ) -> ClosedRange<UInt64>? {
        let known = leaves.map(\.sequence).max() ?? 0
        return known + 1 < oldestRetained ? known + 1...oldestRetained - 1 : nil
    }

    /// The aggregator was restored from a backup older than the retention. It is told, with proof,
    /// what this agent has: the greeting named the oldest that is retained. To send what follows the
    /// gap would only fill its memory.
    private mutating func hold(_ welcome: Welcome, _ lacking: ClosedRange<UInt64>) -> [Action] {
        let finding = Finding.prunedWhatIsLacking(lacking)
        state = .holding(finding, askAgainAt: nil)
        return [
            .see(welcome.hub),
            .sendProof(
                challenge: welcome.challenge, session: welcome.session,
                Proof(stream: stream, head: head)),
            .hold(finding),
        ]
    }

    /// This folder is a copy, or another one is: the aggregator is told, with proof, and the stream
    /// stops.
    private mutating func testify(_ welcome: Welcome) -> [Action] {
        let announced = welcome.announced
        let finding: Finding =
            announced.sequence > head.sequence
            ? .rolledBack(announced: announced.sequence, head: head.sequence)
            : .diverged(announced: announced)
        let proof = Proof(stream: stream, head: head, passesAnnounced: false)
        return [
            .sendProof(challenge: welcome.challenge, session: welcome.session, proof)
        ] + stop(finding)
    }

    private mutating func stop(_ finding: Finding) -> [Action] {
        state = .stopped(finding)
        return [.stop(finding)]
    }

    // MARK: Segments

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
    /// - Parameter ends: the places of its segments, in order; empty where nothing could be handed
    /// over now.
    package mutating func sent(ends: [ChainPoint], byteCount: Int) -> [Action] {
        guard case .streaming(var window) = state, let last = ends.last else { return [] }
        precondition(
            last.sequence <= head.sequence,
            "sent \(last.sequence), beyond the head \(head.sequence)")
        window.inFlight.append(InFlight(ends: ends, byteCount: byteCount, attempt: attempt))
        window.sent = last.sequence
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
    private mutating func advance(_ window: Window) -> [Action] {
        precondition(window.acknowledged <= window.sent && window.sent <= head.sequence)
        state = .streaming(window)
        guard window.sent < head.sequence, window.locating == nil else { return [] }
        let oneSegment = SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax)
        let room = Int(window.credit.bytes) - window.inFlight.reduce(0) { $0 + $1.byteCount }
        guard room >= oneSegment || window.inFlight.isEmpty else { return [] }
        let isFull = window.unsentBytes >= limits.fullMessageBytes
        let messagesMax =
            isFull
            ? Int(window.credit.messages)
            : min(limits.smallMessagesInFlightMax, Int(window.credit.messages))
        guard window.inFlight.count < messagesMax else { return [] }
        let byteCountMax = min(SegmentsMessage.segmentBytesMax, max(room, oneSegment))
        return [
            .sendSegments(
                session: window.session, after: window.sent, through: head.sequence,
                byteCountMax: byteCountMax)
        ]
    }

    private mutating func resend(from sequence: UInt64) {
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
        // It merged late what an earlier session sent, or what we went back behind. Its welcome
        // will say how far it is.
        guard through <= window.sent else { return greet(now, &random) }
        guard through >= window.acknowledged else { return [] }
        guard let attempt = window.acknowledge(ack.through) else {
            return [.refuse(.acknowledgedForeign(ack.through))]
        }
        greetings = 0
        window.confirmed = true
        window.deadline = deadline(now, &random)
        guard through > released, window.acknowledgedHash != nil else { return advance(window) }
        released = through
        return [.release(ack, attempt: attempt)] + advance(window)
    }

    /// The aggregator misses what follows a place: find it and go back to it. What is acknowledged
    /// it does not miss: such a message is late.
    package mutating func needed(_ needs: Needs, session: UInt64) -> [Action] {
        guard case .streaming(var window) = state, session == window.session else { return [] }
        guard window.locating == nil, let gap = needs.gaps.first,
            gap.after.sequence < window.sent, gap.after.sequence >= window.acknowledged
        else { return [] }
        window.locating = gap.after
        state = .streaming(window)
        return [.locate(gap.after)]
    }

    /// The place was looked up: it is ours, and so many bytes of segments lie behind it; or it is
    /// not.
    package mutating func rewound(
        to point: ChainPoint, found: Bool, unsentBytes: Int, now: SteadyTime,
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard case .streaming(var window) = state, window.locating == point else { return [] }
        window.locating = nil
        guard found else {
            state = .streaming(window)
            return [.refuse(.needsForeign(point))]
        }
        guard point.sequence >= window.acknowledged else { return advance(window) }
        window.goBack(to: point.sequence)
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
    /// - Returns: the attempt that brought the place there; nil where it is not the end of a
    /// segment of ours.
    fileprivate mutating func acknowledge(_ point: ChainPoint) -> UInt32? {
        if point.sequence == acknowledged {
            return acknowledgedHash == nil || acknowledgedHash == point.hash ? 1 : nil
        }
        guard let index = inFlight.firstIndex(where: { $0.ends.contains(point) }) else {
            return nil
        }
        let attempt = inFlight[index].attempt
        inFlight.removeFirst(inFlight[index].last == point.sequence ? index + 1 : index)
        acknowledged = point.sequence
        acknowledgedHash = point.hash
        return attempt
    }

    /// What was sent beyond the place no longer counts as under way; what was sent up to it still
    /// does.
    fileprivate mutating func goBack(to sequence: UInt64) {
        for index in inFlight.indices { inFlight[index].ends.removeAll { $0.sequence > sequence } }
        inFlight.removeAll { $0.ends.isEmpty }
        sent = sequence
    }
}
