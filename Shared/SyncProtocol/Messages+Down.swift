import LedgerCore

/// Whether a stream may go on, as its aggregator sees it.
package enum Standing: UInt8, Hashable, Sendable, CaseIterable {
    case open = 0
    /// Two segments follow one: two writers had the same key.
    case forked = 1
    /// The data folder is a copy: what it says is older than what was already said.
    case rolledBack = 2
    /// The agent or its key is not the one known under this name.
    case refused = 3
    /// Declared lost by an operator: its writer is not expected to come back.
    case lost = 4
    /// A new stream under a known name, which an operator has to approve first.
    case unapproved = 5
    /// Closed by an operator.
    case closed = 6

    /// Whether its writer may not go on with it, and begins another. What it has recorded is still
    /// taken, on every branch.
    package var isClosed: Bool {
        switch self {
        case .forked, .rolledBack, .lost, .closed: true
        case .open, .refused, .unapproved: false
        }
    }

    /// For people.
    package var name: String {
        switch self {
        case .open: "open"
        case .forked: "forked"
        case .rolledBack: "rolled_back"
        case .refused: "refused"
        case .lost: "lost"
        case .unapproved: "unapproved"
        case .closed: "closed"
        }
    }
}

/// The aggregator's answer to a hello: what it has of the stream, and what may be sent.
package struct Welcome: Hashable, Sendable {
    package static let challengeByteCount = 32
    package static let leavesMax = 16

    /// The hello's nonce.
    package var nonce: [UInt8]
    /// The hello's digest: what answers a hello that was altered on its way says nothing.
    package var greeting: Hash256
    /// To be signed by the proof.
    package var challenge: [UInt8]
    /// The new session's number: one more than any proved before.
    package var session: UInt64
    package var standing: Standing
    /// The ends of the chains it has committed of this stream; more than one only after a fork.
    package var leaves: [ChainPoint]
    /// The highest head that this stream ever announced; the agent's own chain must pass through
    /// it.
    package var announced: ChainPoint
    package var credit: Credit
    package var dialect: Dialect
    package var hub: Seen
    /// What the hub's stream begins with: its key, and the hub stream before it.
    package var hubGenesis: Genesis
    /// By the aggregator's clock.
    package var sentAt: Timestamp
    /// The hub's hybrid clock, which agents follow; 0 where none is said.
    package var clock: HybridTimestamp

    /// - Precondition: the nonce and the challenge have their lengths, and there are at most
    ///   `leavesMax` leaves.
    package init(
        nonce: [UInt8], greeting: Hash256, challenge: [UInt8], session: UInt64,
        standing: Standing, leaves: [ChainPoint],
        announced: ChainPoint, credit: Credit, dialect: Dialect = .current, hub: Seen,
        hubGenesis: Genesis,
        sentAt: Timestamp, clock: HybridTimestamp = HybridTimestamp(rawValue: 0)
    ) {
        self.nonce = nonce
        self.greeting = greeting
        self.challenge = challenge
        self.session = session
        self.standing = standing
        self.leaves = leaves
        self.announced = announced
        self.credit = credit
        self.dialect = dialect
        self.hub = hub
        self.hubGenesis = hubGenesis
        self.sentAt = sentAt
        self.clock = clock
        checkLimits()
    }

    private func checkLimits() {
        Hello.check(nonce: nonce)
        precondition(
            challenge.count == Welcome.challengeByteCount,
            "a challenge has \(Welcome.challengeByteCount) bytes, not \(challenge.count)")
        precondition(
            leaves.count <= Welcome.leavesMax,
            "a welcome has at most \(Welcome.leavesMax) leaves, not \(leaves.count)")
    }
}

/// What an agent may have under way, not yet acknowledged.
package struct Credit: Hashable, Sendable {
    package let bytes: UInt32
    package let messages: UInt32

    package init(bytes: UInt32, messages: UInt32) {
        self.bytes = bytes
        self.messages = messages
    }
}

/// The aggregator has committed a stream up to a point. Only this releases anything at the agent.
package struct Ack: Hashable, Sendable {
    /// A run of segments that have consecutive positions in the hub's log: agents keep them, so
    /// that a lost hub can be rebuilt in the same order.
    package struct Run: Hashable, Sendable {
        /// The first event of the run's first segment.
        package let firstSequence: UInt64
        /// Of that segment, in the hub's log.
        package let position: UInt64

        package init(firstSequence: UInt64, position: UInt64) {
            self.firstSequence = firstSequence
            self.position = position
        }
    }

    /// What one commit can bring of one stream: a run for each message, and some to spare.
    package static let runsMax = 1024
    package static let tracesMax = TraceExtension.contextsMax

    package var stream: StreamTag
    package var through: ChainPoint
    /// The hub whose log it is.
    package var hub: StreamTag
    /// What is new since the acknowledgement before, in the order of the chain; empty where it only
    /// repeats one.
    package var runs: [Run]
    /// When the first of what this acknowledges came in, and when its commit ended, by the
    /// aggregator's clock.
    package var receivedAt: Timestamp
    package var committedAt: Timestamp
    /// The hub's hybrid clock, which agents follow; 0 where none is said.
    package var clock: HybridTimestamp
    /// The spans that send it, one for each traced message that it acknowledges.
    package var traces: [TraceContext] = []

    /// - Precondition: at most `runsMax` runs.
    package init(
        stream: StreamTag, through: ChainPoint, hub: StreamTag, runs: [Run], receivedAt: Timestamp,
        committedAt: Timestamp, clock: HybridTimestamp = HybridTimestamp(rawValue: 0)
    ) {
        self.stream = stream
        self.through = through
        self.hub = hub
        self.runs = runs
        self.receivedAt = receivedAt
        self.committedAt = committedAt
        self.clock = clock
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            runs.count <= Ack.runsMax,
            "an acknowledgement has at most \(Ack.runsMax) runs, not \(runs.count)")
    }
}

/// The aggregator misses what follows some points of the chain: send again from there.
package struct Needs: Hashable, Sendable {
    package struct Gap: Hashable, Sendable {
        /// The end of what it has.
        package let after: ChainPoint
        /// The segment that the next one it has names as its parent; nil where it does not know.
        package let missing: Hash256?

        package init(after: ChainPoint, missing: Hash256?) {
            self.after = after
            self.missing = missing
        }
    }

    package static let gapsMax = 16

    package var stream: StreamTag
    /// In the order of the chain, at least one.
    package var gaps: [Gap]

    /// - Precondition: 1 to `gapsMax` gaps.
    package init(stream: StreamTag, gaps: [Gap]) {
        self.stream = stream
        self.gaps = gaps
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            (1...Needs.gapsMax).contains(gaps.count),
            "a need names 1 to \(Needs.gapsMax) gaps, not \(gaps.count)")
    }
}

/// The aggregator cannot read a segment's names: send the definitions that lead up to it.
package struct NeedsDefinitions: Hashable, Sendable {
    package var stream: StreamTag
    /// After a fork, each branch has definitions of its own.
    package var segment: Hash256
    /// The first number that it lacks, and how many the segment builds on.
    package var first: UInt32
    package var through: UInt32

    package init(stream: StreamTag, segment: Hash256, first: UInt32, through: UInt32) {
        self.stream = stream
        self.segment = segment
        self.first = first
        self.through = through
    }
}

/// An agent's retained word on itself; its last will says offline.
package struct Status: Hashable, Sendable {
    package var isOnline: Bool
    package var stream: StreamTag
    package var head: ChainPoint
    /// By the agent's clock.
    package var at: Timestamp

    package init(isOnline: Bool, stream: StreamTag, head: ChainPoint, at: Timestamp) {
        self.isOnline = isOnline
        self.stream = stream
        self.head = head
        self.at = at
    }
}

/// The aggregator tells all that it came up or goes down: agents greet it at once, instead of
/// waiting for a time-out.
package struct HubNotice: Hashable, Sendable {
    package var isUp: Bool
    package var hub: Seen
    package var at: Timestamp

    package init(isUp: Bool, hub: Seen, at: Timestamp) {
        self.isUp = isUp
        self.hub = hub
        self.at = at
    }
}

// MARK: Bytes

extension Welcome: FrameBody {
    package static let kind = Frame.Kind.welcome

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.raw(nonce)
        writer.hash(greeting)
        writer.raw(challenge)
        writer.fixed(session)
        writer.u8(standing.rawValue)
        writer.varint(UInt64(leaves.count))
        for leaf in leaves { leaf.encode(into: &writer) }
        announced.encode(into: &writer)
        writer.fixed(credit.bytes)
        writer.fixed(credit.messages)
        dialect.encode(into: &writer)
        hub.encode(into: &writer)
        let genesis = hubGenesis.encoded()
        writer.varint(UInt64(genesis.count))
        writer.raw(genesis)
        writer.fixed(sentAt.microseconds)
        writer.fixed(clock.rawValue)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        nonce = try reader.raw(Hello.nonceByteCount)
        greeting = try reader.hash()
        challenge = try reader.raw(Welcome.challengeByteCount)
        session = try reader.fixed()
        guard let standing = Standing(rawValue: try reader.u8()) else {
            throw reader.failure(.invalid(what: "the stream's standing"))
        }
        self.standing = standing
        leaves = []
        for _ in 0..<(try reader.length("the number of leaves", limit: Welcome.leavesMax)) {
            leaves.append(try ChainPoint(from: &reader))
        }
        announced = try ChainPoint(from: &reader)
        credit = Credit(bytes: try reader.fixed(), messages: try reader.fixed())
        dialect = try Dialect(from: &reader)
        hub = try Seen(from: &reader)
        let length = try reader.length("the hub's genesis", limit: Genesis.byteCountMax)
        hubGenesis = try Genesis(decoding: try reader.raw(length))
        sentAt = Timestamp(microseconds: try reader.fixed())
        clock = HybridTimestamp(rawValue: try reader.fixed())
    }
}

extension Ack: FrameBody {
    package static let kind = Frame.Kind.ack

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(stream.rawValue)
        through.encode(into: &writer)
        writer.fixed(hub.rawValue)
        writer.varint(UInt64(runs.count))
        for run in runs {
            writer.varint(run.firstSequence)
            writer.varint(run.position)
        }
        writer.fixed(receivedAt.microseconds)
        writer.fixed(committedAt.microseconds)
        writer.fixed(clock.rawValue)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        through = try ChainPoint(from: &reader)
        hub = try reader.streamTag()
        runs = []
        for _ in 0..<(try reader.length("the number of runs", limit: Ack.runsMax)) {
            runs.append(Run(firstSequence: try reader.varint(), position: try reader.varint()))
        }
        receivedAt = Timestamp(microseconds: try reader.fixed())
        committedAt = Timestamp(microseconds: try reader.fixed())
        clock = HybridTimestamp(rawValue: try reader.fixed())
    }
}

extension Needs: FrameBody {
    package static let kind = Frame.Kind.needs

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(stream.rawValue)
        writer.varint(UInt64(gaps.count))
        for gap in gaps {
            gap.after.encode(into: &writer)
            writer.u8(gap.missing == nil ? 0 : 1)
            if let missing = gap.missing { writer.hash(missing) }
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        let count = try reader.length("the number of gaps", limit: Needs.gapsMax)
        guard count > 0 else { throw reader.failure(.invalid(what: "a need without a gap")) }
        gaps = []
        for _ in 0..<count {
            let after = try ChainPoint(from: &reader)
            let isNamed = try reader.flag("a gap's flag")
            gaps.append(Gap(after: after, missing: isNamed ? try reader.hash() : nil))
        }
    }
}

extension NeedsDefinitions: FrameBody {
    package static let kind = Frame.Kind.needsDefinitions

    func encode(into writer: inout ByteWriter) {
        writer.fixed(stream.rawValue)
        writer.hash(segment)
        writer.fixed(first)
        writer.fixed(through)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        segment = try reader.hash()
        first = try reader.fixed()
        through = try reader.fixed()
    }
}

extension Status: FrameBody {
    package static let kind = Frame.Kind.status

    func encode(into writer: inout ByteWriter) {
        writer.u8(isOnline ? 1 : 0)
        writer.fixed(stream.rawValue)
        head.encode(into: &writer)
        writer.fixed(at.microseconds)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        isOnline = try reader.flag("whether the agent is online")
        stream = try reader.streamTag()
        head = try ChainPoint(from: &reader)
        at = Timestamp(microseconds: try reader.fixed())
    }
}

extension HubNotice: FrameBody {
    package static let kind = Frame.Kind.hub

    func encode(into writer: inout ByteWriter) {
        writer.u8(isUp ? 1 : 0)
        hub.encode(into: &writer)
        writer.fixed(at.microseconds)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        isUp = try reader.flag("whether the aggregator is up")
        hub = try Seen(from: &reader)
        at = Timestamp(microseconds: try reader.fixed())
    }
}
