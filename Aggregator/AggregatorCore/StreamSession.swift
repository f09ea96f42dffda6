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
        var unreadable: [Unreadable] = []
        /// How far of the agent's own chain is merged, or lost for good; nil where a closed stream has
        /// several branches and it has not been seen which is this agent's.
        var reached: ChainPoint?
        /// What the tree has of its chain beyond that, where something before it is still on its way.
        var beyond: [Stretch] = []
        /// An answer is due, although nothing may be new.
        var owesAck = true
        /// Where a gap was found, and when to ask for what is missing.
        var gap: Gap?
        /// Names that were asked for, to go on behind a gap.
        var names: MissingNames?
    }

    /// A part of a chain.
    struct Stretch: Hashable {
        /// The place in front of it.
        let start: ChainPoint
        let end: ChainPoint
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
        /// Whether it has what the agent cannot read any more.
        case unreadable(Unreadable)
    }

    package let genesis: Genesis
    package let stream: StreamTag
    package internal(set) var record: Record
    /// The watermark that the store has made durable: what may be told.
    package private(set) var watermark: HybridTimestamp
    let start: ChainPoint
    /// What the agent had seen when it last proved itself.
    package internal(set) var provenSeen: Seen?
    /// The head that had been proved before the stream was closed.
    package internal(set) var closingEvidence: SignedHead?
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
    /// What the tree has of an agent's own chain, beside its ends.
    struct Inside: Hashable {
        let point: ChainPoint
        /// The agent's. Of one that keeps more, the tree may lack something.
        let oldestRetained: UInt64
    }

    /// The last places that agents were told to be here.
    var inside: [Inside] = []
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

    // MARK: Standing

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
        if record.standing.isClosed, !tree.ends(with: reached) || !lostGaps.isEmpty {
            remember(reached, open)
        }
        actions.append(.sendAck(session: open.session, reached))
    }

    mutating func remember(_ point: ChainPoint, _ open: Open) {
        // What this agent cannot read, another copy of its folder may.
        guard !open.unreadable.contains(where: { $0.behind < point }) else { return }
        let place = Inside(point: point, oldestRetained: open.oldestRetained)
        inside.removeAll { $0 == place }
        inside = (inside + [place]).suffix(limits.branchesPerStreamMax)
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
