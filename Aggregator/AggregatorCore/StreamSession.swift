import LedgerCore
import SyncProtocol

/// The aggregator's half of a sync session: what of a stream to merge, what to acknowledge, what to
/// ask for.
///
/// **Overview.** One machine a stream. It answers greetings with what is committed, believes
/// nothing before the proof, lets only the continuation of a chain through to the merge, keeps
/// what came early, and acknowledges with the store's token. A segment with two children is a fork,
/// an older head or session a copy's: the stream is closed then, which its writer is told, and all
/// that its copies recorded goes on being taken, branch by branch. Nothing is dropped for good.
///
/// **Function.** Feed it messages and the store's answers; perform the actions in their order.
/// `merge` actions of many streams may share one transaction; `persisted` follows when it is
/// durable, and its actions are performed too. A `lookUp` is answered with `found` before anything
/// else is said to the machine; it comes only while nothing is merged that is not durable.
///
/// **Implementation.** What is durable of the stream (`Record`, the tree's ends) is apart from the
/// session under way, which a restart forgets; a challenge stands beside the open session until it is
/// proved. What continues an end of the tree is placed at once; the rest waits for the store's word.
/// Hasher and verifier are injected.
///
/// **Invariants.** `committed ≤ merged` on every branch; an acknowledgement never exceeds `committed`;
/// a segment merges only behind the one whose hash it names; a stream that was closed is never open
/// again.
package struct StreamSession {
    package enum Action: Hashable, Sendable {
        case sendWelcome(Welcome)
        /// Apply and write these, then say `persisted`.
        case merge(SegmentRun)
        /// Write the record together with whatever is merged, then say `persisted`.
        case persistRecord
        /// Write the record before long, with whatever else is written; then say `persisted`.
        case persistWatermark
        case sendAck(session: UInt64, ChainPoint)
        case sendNeeds(session: UInt64, Needs)
        case sendNeedsDefinitions(session: UInt64, NeedsDefinitions)
        /// Ask the store, and say `found`.
        case lookUp(LookUp)
        /// The stream's writer may not go on in it: shown, told to the agent, and written as for
        /// `persistRecord`.
        case close(Standing)
        /// A new stream under a known name waits for an operator; written as for `persistRecord`.
        case awaitApproval
        /// The agent no longer has these events, and neither have we: nobody has. What follows them
        /// is taken.
        case lose(HubFact.LostGap)
        /// Names of the lost events, with which those behind them are read: keep and write them.
        case define(BranchNames)
        /// The agent knows more of this hub's stream than we do: we were put back from an older copy.
        case fallenBehind
        case drop(Drop)
    }

    /// Why a message had no effect. Counted by name.
    package enum Drop: String, Hashable, Sendable, CaseIterable {
        case notInSession = "not_in_session"
        case badSignature = "bad_signature"
        case foreignStream = "foreign_stream"
        case brokenSegment = "broken_segment"
        case duplicate = "duplicate"
        case tooEarly = "too_early"
        case streamStopped = "stream_stopped"
        case badDictionary = "bad_dictionary"
        case tooManyBranches = "too_many_branches"
        /// The store could not be read.
        case notLookedUp = "not_looked_up"
        /// A watermark that covers what this aggregator has not committed.
        case watermarkAhead = "watermark_ahead"
        case staleWatermark = "stale_watermark"
    }

    /// What is durable of a stream beside its segments.
    package struct Record: Hashable, Sendable {
        package var provedSession: UInt64
        /// The highest head that the stream's key has signed for.
        package var announced: ChainPoint
        /// The last head that was proved, as evidence.
        package var evidence: SignedHead?
        package var standing: Standing
        /// The stream has nothing, and will have nothing, up to this time that is not committed
        /// here; 0 for nothing said yet. It never goes back.
        package var watermark: HybridTimestamp

        package init(
            provedSession: UInt64 = 0, announced: ChainPoint, evidence: SignedHead? = nil,
            standing: Standing = .open, watermark: HybridTimestamp = HybridTimestamp(rawValue: 0)
        ) {
            self.evidence = evidence
            self.provedSession = provedSession
            self.announced = announced
            self.standing = standing
            self.watermark = watermark
        }
    }

    /// A greeting that was answered and not yet proved. A session that is open goes on meanwhile:
    /// the greeting may be one of yesterday, delivered late.
    struct Challenge: Hashable {
        let bytes: [UInt8]
        /// Of the hello, which the proof signs.
        let greeting: Hash256
        let session: UInt64
        let hello: Hello
    }

    struct Open: Hashable {
        let session: UInt64
        /// The first event that the agent still has.
        let oldestRetained: UInt64
        /// The segment before it, which is no longer there; nil where there is none.
        let retainedBehind: Hash256?
        /// When it was proved, by our clock.
        let provedAt: Timestamp
        /// The tree has not what the agent has pruned last.
        var lacksPruned = false
        /// What the agent cannot read from its own disk.
        var unreadable: [ClosedRange<UInt64>] = []
        /// How far of the agent's own chain is merged, or lost for good; nil where a closed stream has
        /// several branches and it has not been seen which is this agent's.
        var reached: ChainPoint?
        /// An answer is due, although nothing may be new.
        var owesAck = true
        /// Where a gap was found, and when to ask for what is missing.
        var gap: Gap?
        /// Names that were asked for, to go on behind a gap.
        var names: MissingNames?
    }

    struct Gap: Hashable {
        /// What was merged last when it was found, and the missing segment: another gap, further on,
        /// has its own time.
        let after: ChainPoint
        let missing: Hash256
        let foundAt: ClockReading
        var askAt: SteadyTime
    }

    /// What waits for the store's word.
    enum Question: Hashable {
        case run([SealedSegment])
        /// Whether the tree has this head of the agent.
        case head(ChainPoint)
        /// Whether it has what we once acknowledged.
        case acknowledged(ChainPoint)
        /// Whether it has what the agent has pruned last.
        case retained(ChainPoint)
    }

    package let genesis: Genesis
    package let stream: StreamTag
    package internal(set) var record: Record
    /// The watermark that the store has made durable: what may be told.
    package private(set) var watermark: HybridTimestamp
    let start: ChainPoint
    /// What the agent had seen when it last proved itself.
    package private(set) var provenSeen: Seen?
    /// The head that had been proved before the stream was closed.
    package private(set) var closingEvidence: SignedHead?
    var tree: StreamTree
    /// Gaps that nobody can fill. What comes late is merged all the same.
    var lostGaps: [HubFact.LostGap]
    var challenge: Challenge?
    var open: Open?
    /// Whether the record is to be written before anything is acknowledged.
    var owesRecord = false
    var early: EarlySegments
    var questions: [Question] = []
    /// The first question was asked and not yet answered.
    var isAsking = false
    /// The end of what was merged last.
    var mergedLast: ChainPoint
    let limits: AggregatorLimits
    let hasher: any ContentHasher
    let verifier: any SignatureVerifier

    /// - Parameters:
    ///   - ends: of the stored branches; none for a stream of which nothing is stored.
    ///   - lostGaps: what the hub has recorded of it.
    package init(
        genesis: Genesis, ends: [BranchEnd] = [], lostGaps: [HubFact.LostGap] = [],
        record: Record, limits: AggregatorLimits, hasher: any ContentHasher,
        verifier: any SignatureVerifier
    ) {
        self.lostGaps = lostGaps
        self.genesis = genesis
        start = ChainPoint(sequence: 0, hash: genesis.hash(hasher))
        stream = StreamTag(genesisHash: start.hash)
        tree = StreamTree(ends.isEmpty ? [BranchEnd(point: start, dictionary: .empty)] : ends)
        mergedLast = tree.merged
        self.record = record
        watermark = record.watermark
        early = EarlySegments(limits: limits)
        self.limits = limits
        self.hasher = hasher
        self.verifier = verifier
    }

    /// The furthest end of what has been handed to the merge.
    package var merged: ChainPoint { tree.merged }

    /// The furthest end of what the store has made durable.
    package var committed: ChainPoint {
        tree.committed.max { $0.sequence < $1.sequence } ?? start
    }

    /// The ends of all branches that the store has made durable, of an empty stream none. In their
    /// order, not in that in which they grew, which a start does not know.
    package var leaves: [ChainPoint] { tree.committed.filter { $0.sequence > 0 }.sorted() }

    /// The ends of all branches with what is merged and not yet durable.
    package var ends: [BranchEnd] { tree.ends }

    /// The session that is proved, if any.
    package var provedSession: UInt64? { open?.session }

    /// When it was proved, by our clock; nil where none is.
    package var provedAt: Timestamp? { open?.provedAt }

    // MARK: The handshake

    /// An agent greets. Nothing is concluded from it: it may be of yesterday. It is answered with
    /// what is known.
    package mutating func greeted(
        _ hello: Hello, credit: Credit, hub: Seen, hubGenesis: Genesis, now: Timestamp,
        clock: HybridTimestamp = HybridTimestamp(rawValue: 0),
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let proved = max(record.provedSession, hello.lastSession)
        guard proved < UInt64.max else { return [.drop(.notInSession)] }
        let greeting = hello.digest(hasher)
        let challenge = challenge(
            for: greeting,
            (0..<Welcome.challengeByteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
        self.challenge = Challenge(
            bytes: challenge, greeting: greeting, session: proved + 1, hello: hello)
        let welcome = Welcome(
            nonce: hello.nonce, challenge: challenge, session: proved + 1,
            standing: record.standing,
            leaves: leaves(for: hello), announced: record.announced,
            credit: credit, hub: hub,
            hubGenesis: hubGenesis, sentAt: now, clock: clock)
        return [.sendWelcome(welcome)]
    }

    /// A greeting that the broker delivers twice is challenged once: the agent answers the first
    /// welcome.
    private func challenge(for greeting: Hash256, _ fresh: [UInt8]) -> [UInt8] {
        guard let challenge, challenge.greeting == greeting else { return fresh }
        return challenge.bytes
    }

    /// The ends that a welcome names, also of gaps that are lost, where the agent has nothing of them
    /// either: those that the greeting speaks of, then the furthest.
    private func leaves(for hello: Hello) -> [ChainPoint] {
        let spokenOf = [hello.head, hello.acknowledged]
        let lost = lostGaps.map(\.end).filter {
            !leaves.contains($0) && $0.sequence < hello.oldestRetained
        }
        let ordered = (leaves + lost).sorted { left, right in
            let (first, second) = (spokenOf.contains(left), spokenOf.contains(right))
            return first == second ? left > right : first
        }
        return Array(ordered.prefix(Welcome.leavesMax))
    }

    /// What is durable of the hub that the session is with.
    package struct HubPlace: Hashable, Sendable {
        package let tag: StreamTag
        /// Of its own.
        package let events: UInt64
        /// Of the log.
        package let position: UInt64

        package init(tag: StreamTag, events: UInt64, position: UInt64) {
            self.tag = tag
            self.events = events
            self.position = position
        }
    }

    /// The agent proves that it holds the stream's key now. From here on its words count, and those
    /// of its greeting.
    ///
    /// - Parameter needsApproval: whether a stream that was never heard of has to wait for an operator.
    package mutating func proved(
        _ proof: Proof, session: UInt64, signature: Signature?, hub: HubPlace,
        needsApproval: Bool = false, now: Timestamp
    ) -> [Action] {
        guard let challenge, session == challenge.session else { return [.drop(.notInSession)] }
        let content = proof.signedContent(
            challenge: challenge.bytes, greeting: challenge.greeting, session: session)
        guard let signature, verifier.isValid(signature, for: content, by: genesis.publicKey) else {
            return [.drop(.badSignature)]
        }
        if proof.hasLeft || isAhead(challenge.hello, of: hub) { return [.fallenBehind] }
        var actions: [Action] = []
        if needsApproval, record.provedSession == 0 {
            record.standing = .unapproved
            actions.append(.awaitApproval)
        } else if let finding = finding(of: proof, lastSession: challenge.hello.lastSession) {
            close(finding, &actions)
        }
        record.provedSession = max(record.provedSession, session)
        record.evidence = SignedHead(
            proof, session: session, challenge: challenge.bytes, greeting: challenge.greeting,
            signature: signature)
        if proof.head.sequence > record.announced.sequence { record.announced = proof.head }
        provenSeen = challenge.hello.seen
        self.challenge = nil
        owesRecord = true
        actions.append(.persistRecord)
        guard record.standing.takesSegments else { return actions + [.drop(.streamStopped)] }
        begin(session, challenge.hello, proof.head, hub, now)
        loseGap(&actions)
        settle(&actions)
        return actions
    }

    /// Whether the agent has seen or was told more than this hub has ever committed: its database was
    /// put back from an older copy.
    private func isAhead(_ hello: Hello, of hub: HubPlace) -> Bool {
        if hello.seen.hub == hub.tag, hello.seen.position > hub.events { return true }
        guard let place = hello.acknowledgedAt, place.hub == hub.tag else { return false }
        return place.position > hub.position
            || hello.acknowledged.sequence > max(committed.sequence, lostThrough)
    }

    /// Whether this is a copy of the folder that was heard of before.
    private func finding(of proof: Proof, lastSession: UInt64) -> Standing? {
        let known = record.announced
        if lastSession < record.provedSession || proof.head.sequence < known.sequence {
            return .rolledBack
        }
        let isKnown = proof.head.sequence > known.sequence || proof.head.hash == known.hash
        return proof.passesAnnounced && isKnown ? nil : .forked
    }

    /// Only what comes in the new session counts from now on: its agent sends again what it is not
    /// told to be here.
    private mutating func begin(
        _ session: UInt64, _ hello: Hello, _ head: ChainPoint, _ hub: HubPlace, _ now: Timestamp
    ) {
        open = Open(
            session: session, oldestRetained: hello.oldestRetained,
            retainedBehind: hello.retainedBehind, provedAt: now)
        early.removeAll()
        questions.removeAll()
        isAsking = false
        if record.standing == .open {
            // Its chain passes through what was announced, and so through all that is merged.
            let reached = accounted(for: tree.merged)
            open?.reached = reached
        } else if tree.ends(with: head) || head.sequence < hello.oldestRetained && isLost(head) {
            open?.reached = head
        } else {
            if head.sequence <= tree.merged.sequence { questions.append(.head(head)) }
            if let hash = hello.retainedBehind, hello.oldestRetained > 1 {
                let point = ChainPoint(sequence: hello.oldestRetained - 1, hash: hash)
                questions.append(.retained(point))
            }
        }
        let isOurs = hello.acknowledgedAt?.hub == hub.tag && hello.acknowledged.sequence > 0
        let isKnown =
            tree.ends(with: hello.acknowledged) || isLost(hello.acknowledged.sequence)
        if isOurs, !isKnown { questions.append(.acknowledged(hello.acknowledged)) }
    }

    /// The stream's writer may not go on. What was recorded is taken all the same.
    mutating func close(_ standing: Standing, _ actions: inout [Action]) {
        guard record.standing == .open else { return }
        record.standing = standing
        owesRecord = true
        closingEvidence = record.evidence
        actions.append(.close(standing))
    }

    /// An operator has decided on the stream.
    package mutating func decided(_ standing: Standing) {
        record.standing = standing
        owesRecord = true
        guard !standing.takesSegments else { return }
        forget()
    }

    /// Nothing under way counts any more: the hub goes on in another stream of its own.
    package mutating func forget() {
        open = nil
        challenge = nil
        early.removeAll()
        questions.removeAll()
        isAsking = false
    }

    /// Acknowledges what is durable of the agent's chain, where that is due.
    mutating func acknowledge(_ actions: inout [Action]) {
        guard let open, open.owesAck, let reached = open.reached, !owesRecord,
            !tree.hasUncommitted
        else { return }
        self.open?.owesAck = false
        actions.append(.sendAck(session: open.session, reached))
    }

    // MARK: Watermarks

    /// The agent says up to when all is acknowledged. It counts in its own session only: another
    /// aggregator, or this one before it was restored, may have been meant.
    package mutating func watermarked(_ said: Watermark, _ frame: Frame) -> [Action] {
        guard let open, open.session == frame.session else { return [.drop(.notInSession)] }
        let content = frame.signedContent(hasher)
        guard let signature = frame.signature,
            verifier.isValid(signature, for: content, by: genesis.publicKey)
        else { return [.drop(.badSignature)] }
        guard said.acknowledged.sequence <= committed.sequence else {
            return [.drop(.watermarkAhead)]
        }
        // Of a closed stream its end is all that can be promised: there may be other copies of it.
        guard record.standing == .open || said.through == Watermark.endOfStream else {
            return [.drop(.streamStopped)]
        }
        guard said.through > record.watermark else { return [.drop(.staleWatermark)] }
        record.watermark = said.through
        return [.persistWatermark]
    }

    // MARK: The store and the clock

    /// Everything merged so far, and the record, is durable.
    package mutating func persisted(_: Durable) -> [Action] {
        tree.commit()
        watermark = record.watermark
        owesRecord = false
        var actions: [Action] = []
        acknowledge(&actions)
        settle(&actions)
        return actions
    }

    /// Time has passed. A gap that outlived the broker's reordering is asked for.
    package mutating func tick(now: ClockReading) -> [Action] {
        noteGap(now)
        if let needs = missingNames(now: now.steady) { return [needs] }
        guard let open, let gap = open.gap, now.steady >= gap.askAt else { return [] }
        let askAt = now.steady.advanced(byMicroseconds: limits.needsRepeat)
        self.open?.gap?.askAt = askAt
        return [.sendNeeds(session: open.session, needs(gap.missing))]
    }
}

extension Standing {
    /// Whether what a stream's writer recorded is taken: also after it was closed.
    var takesSegments: Bool { self == .open || isClosed }
}
