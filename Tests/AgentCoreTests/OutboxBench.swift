import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport

/// A chain of one event a segment, whose hashes are made from the numbers.
enum Chain {
    static let tag = StreamTag(genesisHash: .zero)

    static func hash(_ sequence: UInt64) -> Hash256 { Hash256(words: (1, 2, 3, sequence)) }
    static func point(_ sequence: UInt64) -> ChainPoint {
        ChainPoint(sequence: sequence, hash: hash(sequence))
    }
    static func foreign(_ sequence: UInt64) -> ChainPoint {
        ChainPoint(sequence: sequence, hash: Hash256(words: (9, 9, 9, sequence)))
    }
    static func ack(_ point: ChainPoint) -> Ack {
        let time = Timestamp(microseconds: 0)
        return Ack(
            stream: tag, through: point, hub: tag, runs: [], receivedAt: time, committedAt: time)
    }
    static func needs(_ point: ChainPoint) -> Needs {
        Needs(stream: tag, gaps: [Needs.Gap(after: point, missing: nil)])
    }
}

/// The action that asks the log for segments.
func segments(
    after: UInt64, through: UInt64, session: UInt64 = 1,
    byteCountMax: Int = SegmentsMessage.segmentBytesMax
) -> OutboxSession.Action {
    .sendSegments(session: session, after: after, through: through, byteCountMax: byteCountMax)
}

/// The machine with what every event needs: a time and random numbers.
struct Bench: ~Copyable {
    var session: OutboxSession
    var now = SteadyTime(microseconds: 0)
    var random = SplitMix64(seed: 1)
    static let segmentBytes = 200

    init(
        head: UInt64 = 0, released: UInt64 = 0, lastSession: UInt64 = 0, isWriting: Bool = true
    ) {
        session = OutboxSession(
            stream: Chain.tag, head: Chain.point(head), released: released,
            lastSession: lastSession,
            isWriting: isWriting, limits: AgentLimits())
    }

    mutating func connect() -> [OutboxSession.Action] { session.connected(now: now, &random) }

    mutating func connectedNonce() -> [UInt8] { Bench.nonce(connect()) }

    static func nonce(_ actions: [OutboxSession.Action]) -> [UInt8] {
        guard case .sendHello(let nonce, _)? = actions.first else { return [] }
        return nonce
    }

    mutating func welcome(
        _ nonce: [UInt8], session number: UInt64 = 1, leaves: [ChainPoint] = [],
        announced: ChainPoint = Chain.point(0), standing: Standing = .open,
        credit: Credit = Credit(bytes: 1 << 20, messages: 16)
    ) -> [OutboxSession.Action] {
        session.welcomed(
            welcome(
                named: nonce, session: number, leaves: leaves, announced: announced,
                standing: standing, credit: credit))
    }

    func welcome(
        named nonce: [UInt8], session number: UInt64, leaves: [ChainPoint] = [],
        announced: ChainPoint = Chain.point(0), standing: Standing = .open,
        credit: Credit = Credit(bytes: 1 << 20, messages: 16)
    ) -> Welcome {
        let hub = Genesis(
            writer: .hub, ledger: "l", agent: Bench.hub,
            nonce: [UInt8](repeating: 0, count: Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: [UInt8](repeating: 0, count: PublicKey.byteCount)))
        return Welcome(
            nonce: nonce, greeting: .zero, challenge: Bench.challenge, session: number,
            standing: standing,
            leaves: leaves, announced: announced, credit: credit, hub: Bench.seen,
            hubGenesis: hub, sentAt: Timestamp(microseconds: 0))
    }

    static let seen = Seen(hub: Chain.tag, position: 0)
    static let challenge = [UInt8](repeating: 7, count: Welcome.challengeByteCount)
    private static let hub: AgentID = {
        do throws(InvalidValue) { return try AgentID("hub") } catch { fatalError("\(error)") }
    }()

    mutating func prepared(
        session number: UInt64 = 1, resume: UInt64?, hasAnnounced: Bool = true,
        oldestRetained: UInt64 = 1, unsentBytes: Int = 0
    ) -> [OutboxSession.Action] {
        session.prepared(
            session: number, resume: resume.map { Chain.point($0) }, hasAnnounced: hasAnnounced,
            oldestRetained: oldestRetained, unsentBytes: unsentBytes, now: now, &random)
    }

    /// Greets, is welcomed and has prepared.
    @discardableResult
    mutating func open(
        resume: UInt64?, session number: UInt64 = 1, unsentBytes: Int = 0,
        credit: Credit = Credit(bytes: 1 << 20, messages: 16)
    ) -> [OutboxSession.Action] {
        let nonce = connectedNonce()
        _ = welcome(nonce, session: number, credit: credit)
        return prepared(session: number, resume: resume, unsentBytes: unsentBytes)
    }

    mutating func append(_ head: UInt64) -> [OutboxSession.Action] {
        session.appended(Chain.point(head), byteCount: Bench.segmentBytes)
    }

    mutating func sent(_ range: ClosedRange<UInt64>, byteCount: Int? = nil) -> [OutboxSession
        .Action]
    {
        session.sent(
            ends: range.map { Chain.point($0) },
            byteCount: byteCount ?? range.count * Bench.segmentBytes,
            at: Timestamp(microseconds: now.microseconds))
    }

    mutating func sent(ends: [ChainPoint]) -> [OutboxSession.Action] {
        session.sent(ends: ends, byteCount: 0, at: nil)
    }

    mutating func ack(_ point: ChainPoint, session number: UInt64 = 1) -> [OutboxSession.Action] {
        session.acknowledged(Chain.ack(point), session: number, now: now, &random)
    }

    mutating func needs(_ point: ChainPoint, session number: UInt64 = 1) -> [OutboxSession.Action] {
        session.needed(Chain.needs(point), session: number)
    }

    mutating func rewound(_ point: ChainPoint, found: Bool = true) -> [OutboxSession.Action] {
        session.rewound(
            to: found ? point : nil, of: [point], unsentBytes: 0, now: now, &random)
    }

    mutating func tick(after microseconds: Int64) -> [OutboxSession.Action] {
        now = now.advanced(byMicroseconds: microseconds)
        return session.tick(now: now, &random)
    }

    /// What an acknowledgement brings.
    func progress(
        _ point: ChainPoint, after: UInt64, released: UInt64? = nil, attempt: UInt32 = 1,
        byteCount: Int = 0, isSent: Bool = true
    ) -> OutboxSession.Action {
        .progress(
            OutboxSession.Progress(
                ack: Chain.ack(point), after: after, released: released ?? after,
                attempt: attempt,
                sentAt: isSent ? Timestamp(microseconds: now.microseconds) : nil,
                byteCount: byteCount))
    }

    /// When the machine greets anew, in microseconds from now; nil where it does not within two
    /// minutes.
    mutating func timeToGreeting() -> Int64? {
        for step in 1...1200 where !Bench.nonce(tick(after: 100_000)).isEmpty {
            return Int64(step) * 100_000
        }
        return nil
    }
}
