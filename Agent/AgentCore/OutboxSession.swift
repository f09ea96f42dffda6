import LedgerCore
import SyncProtocol

/// The agent's half of a sync session of one stream: what to send next, and what may be released.
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
/// **Former streams.** The stream that is written ends (`end`) where it cannot go on: its folder is
/// a copy, or it is closed. From then on (`retire`) it is a former stream: whatever its standing, it
/// is sent to the end of its chain, and nothing is added to it any more.
///
/// **Implementation.** All state is in one enum. The machine knows places in the chain, not
/// segments: `sendSegments` asks the shell to read and send one message, and `sent` tells the
/// machine how far that went.
///
/// **Invariants.** `acknowledged ≤ sent ≤ head`, and nothing is released that this session did not
/// acknowledge; what is under way keeps within the credit, but for one segment, which may always
/// go; `released` never moves back, also where the aggregator was restored and is sent older events
/// again; once ended, nothing is sent until it is retired.
package struct OutboxSession: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case sendHello(nonce: [UInt8], lastSession: UInt64)
        /// Find which of these places are in our chain, make the session's number durable, then say
        /// `prepared`.
        case prepare(session: UInt64, leaves: [ChainPoint], announced: ChainPoint)
        case sendProof(challenge: [UInt8], session: UInt64, Proof)
        /// Send one message of segments behind `after`, up to `through` and so many bytes, then say
        /// `sent`. More may be durable by now; the machine hears of it with the next `appended`.
        case sendSegments(session: UInt64, after: UInt64, through: UInt64, byteCountMax: Int)
        /// Find the highest of these places that is in our chain, then say `rewound`.
        case locate([ChainPoint])
        case sendDefinitions(session: UInt64, NeedsDefinitions)
        /// Everything up to there is safe at the aggregator.
        case progress(Progress)
        /// This stream may not go on from here: begin another, and `retire` this one.
        case end(Finding)
        /// Nothing can be sent to this aggregator now.
        case hold(Finding)
        /// A message of the other side that cannot be right: counted and logged, not believed.
        case refuse(Finding)
    }

    /// What an acknowledgement brought.
    package struct Progress: Hashable, Sendable {
        package let ack: Ack
        /// The last event that the session's aggregator was known to hold before.
        package let after: UInt64
        /// The last event that any aggregator had acknowledged before.
        package let released: UInt64
        /// Of the message that carried the last of it.
        package let attempt: UInt32
        /// When the first message that it covers was handed to the transport, by the device's clock;
        /// nil where that was not in this session.
        package let sentAt: Timestamp?
        /// Of the messages that it covers wholly.
        package let byteCount: Int

        package init(
            ack: Ack, after: UInt64, released: UInt64, attempt: UInt32, sentAt: Timestamp?,
            byteCount: Int
        ) {
            self.ack = ack
            self.after = after
            self.released = released
            self.attempt = attempt
            self.sentAt = sentAt
            self.byteCount = byteCount
        }
    }

    /// Where the session stands, for people and for the status page.
    package enum Phase: Hashable, Sendable {
        case offline
        case greeting
        case streaming
        /// Connected, and nothing can be sent.
        case held(Finding)
        /// Another stream is about to take its place.
        case ended(Finding)
    }

    enum State: Hashable, Sendable {
        case offline
        case greeting(Greeting)
        case preparing(Preparing)
        case streaming(Window)
        /// It is asked again now and then: an operator may have decided, or a later backup of the
        /// aggregator may have what this one lacks. The time is nil until the first tick.
        case holding(Finding, askAgainAt: SteadyTime?)
        /// It is said again now and then, until the stream is retired.
        case ended(Finding, sayAgainAt: SteadyTime?)
    }

    struct Greeting: Hashable, Sendable {
        var nonce: [UInt8]
        var deadline: SteadyTime
        /// What a hub answered that this agent has left for a later one.
        var stray: Welcome?
    }

    struct Preparing: Hashable, Sendable {
        var welcome: Welcome
        /// The answer will only tell a hub that this agent has left it.
        var isStray = false
        /// The shell could not write or read, and will never say `prepared`: greet anew. Nil until
        /// the first tick.
        var deadline: SteadyTime?
    }

    let stream: StreamTag
    /// Whether new events go to this stream.
    package internal(set) var isWriting: Bool
    var state: State = .offline
    package internal(set) var head: ChainPoint
    package internal(set) var released: UInt64
    package internal(set) var lastSession: UInt64
    /// The highest event ever handed to the transport: what goes beyond it is sent for the first
    /// time.
    var sentEver: UInt64
    var attempt: UInt32 = 1
    var greetings = 0
    /// When to greet an aggregator that came up.
    var resumeAt: SteadyTime?
    let limits: AgentLimits

    package init(
        stream: StreamTag, head: ChainPoint, released: UInt64, lastSession: UInt64,
        isWriting: Bool = true, limits: AgentLimits
    ) {
        precondition(
            released <= head.sequence, "released \(released) lies beyond the head \(head.sequence)")
        self.stream = stream
        self.head = head
        self.released = released
        self.lastSession = lastSession
        self.isWriting = isWriting
        self.limits = limits
        sentEver = released
    }

    package var phase: Phase {
        switch state {
        case .offline: .offline
        case .greeting, .preparing: .greeting
        case .streaming: .streaming
        case .holding(let finding, _): .held(finding)
        case .ended(let finding, _): .ended(finding)
        }
    }

    /// The number of the session that is proved, from our side.
    package var streamingSession: UInt64? {
        if case .streaming(let window) = state { window.session } else { nil }
    }

    // MARK: The transport

    package mutating func connected(now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        if case .ended = state { return [] }
        greetings = 0
        return greet(now, &random)
    }

    package mutating func disconnected() {
        if case .ended = state { return }
        state = .offline
        resumeAt = nil
    }

    mutating func greet(_ now: SteadyTime, _ random: inout some RandomNumberGenerator) -> [Action] {
        let nonce = (0..<Hello.nonceByteCount).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        state = .greeting(Greeting(nonce: nonce, deadline: deadline(now, &random)))
        greetings += 1
        resumeAt = nil
        return [.sendHello(nonce: nonce, lastSession: lastSession)]
    }

    /// `min(cap, base · 2ⁿ)`, the upper half of it at random: never at once, never all agents
    /// together.
    func deadline(_ now: SteadyTime, _ random: inout some RandomNumberGenerator) -> SteadyTime {
        let doubled = limits.greetingDelayBase << Int64(min(greetings, 20))
        return later(than: now, by: min(limits.greetingDelayMax, doubled), &random)
    }

    private func later(
        than now: SteadyTime, by delay: Int64, _ random: inout some RandomNumberGenerator
    ) -> SteadyTime {
        now.advanced(byMicroseconds: delay / 2 + Int64.random(in: 0...delay / 2, using: &random))
    }

    /// What flows goes on meanwhile. At once would be as often as the other side repeats itself.
    mutating func greetLater(_ now: SteadyTime, _ random: inout some RandomNumberGenerator) {
        resumeAt = resumeAt ?? deadline(now, &random)
    }

    /// Time has passed. Without an answer for too long, the agent greets anew.
    package mutating func tick(now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        if let resumeAt, now >= resumeAt {
            self.resumeAt = nil
            if case .ended = state { return [] }
            return greet(now, &random)
        }
        switch state {
        case .greeting(let greeting) where now >= greeting.deadline:
            return testifyToStray(greeting) ?? greet(now, &random)
        case .preparing(var preparing):
            if let deadline = preparing.deadline, now >= deadline { return greet(now, &random) }
            preparing.deadline = preparing.deadline ?? deadline(now, &random)
            state = .preparing(preparing)
            return []
        case .streaming(let window): return tick(window, now, &random)
        case .holding(let finding, let askAgainAt):
            if let askAgainAt, now >= askAgainAt { return greet(now, &random) }
            let next = later(than: now, by: limits.heldGreetingDelay, &random)
            state = .holding(finding, askAgainAt: askAgainAt ?? next)
            return []
        case .ended(let finding, let sayAgainAt):
            let isDue = sayAgainAt.map { now >= $0 } ?? false
            let next = later(than: now, by: limits.drawDelay, &random)
            state = .ended(finding, sayAgainAt: isDue ? next : sayAgainAt ?? next)
            return isDue ? [.end(finding)] : []
        case .offline, .greeting: return []
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
        case .offline, .ended: break
        }
    }
}
