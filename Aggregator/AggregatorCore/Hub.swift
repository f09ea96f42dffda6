import LedgerCore
import SyncProtocol

/// The aggregator: all that it decides, with neither thread, broker nor disk.
///
/// **Overview.** It routes agents' messages to the sessions of their streams, merges what these let
/// through, writes a stream of its own with what it finds and what operators decide, tells agents of
/// what concerns them, and acknowledges what the store has made durable. What one commit is to write is
/// gathered here as a value.
///
/// **Function.** `start` once; then `received`, `connected`, `decide` and `tick` (some 20 times a second)
/// as things happen, and their actions performed in order. `lookUp` and `fetch` are answered with
/// `found` and `fetched` before anything else is said. Then, and whenever enough waits (`isFull`),
/// `takeCommit`: where there is one, write it, and say `persisted`, whose actions are performed too,
/// until there is none. Nothing else is said between `takeCommit` and `persisted`. Where a write fails,
/// `reload` what the store has. While nothing is pending, `tellOfAccounts` may be called.
///
/// **For a simulator.** A shell owns a transport, a clock, random numbers and a store, and does nothing
/// of its own: `takeCommit` gives all that is written, `HubOrigin` is all that is read, and `HubFold`
/// replays a log for it.
///
/// **Implementation.** What is merged, decided and recorded is in memory ahead of the store by one
/// commit; nothing of it is told before `persisted`.
///
/// **Invariants.** What is acknowledged or told is durable; an event of the hub is written no later
/// than the segments that it concerns; the fold is `HubFold`'s of the log; one commit is under way at a
/// time.
package struct Hub {
    package enum Action: Sendable {
        /// Publish it where the agent listens. What the transport does not take is as lost as any
        /// message may be.
        case send(Frame, to: AgentID)
        /// Publish it where all agents of a shard listen.
        case announce(Frame, shard: Int)
        /// Ask the store, and say `found`.
        case lookUp(LookUp, of: StreamTag)
        /// Read the segment that the span is in, with its names, and say `fetched`.
        case fetch(EventSpan)
        /// What became of an operator's decision.
        case decided(DecisionNumber, Result<HubEventID, DecisionFailure>)
        /// For logs and metrics.
        case note(Note)
    }

    /// Something that happened, for people.
    package enum Note: Sendable {
        case dropped(StreamSession.Drop, AgentID)
        case broken(WireError, AgentID)
        case foreignLedger(String, AgentID)
        case received(segments: Int)
        case setAside(StreamTag, first: UInt64, count: Int)
        /// An agent has proved itself for this stream.
        case opened(StreamTag, session: UInt64, AgentID)
        case closed(StreamTag, Standing, AgentID)
        case awaitsApproval(StreamTag, AgentID)
        case lost(HubFact.LostGap, AgentID)
        case acknowledged(StreamTag, AgentID)
        /// An event of the hub.
        case recorded(HubEvent)
        /// The hub was put back from an older copy, as an agent has shown, or the copy itself.
        case fellBehind(AgentID?)
        /// The hub writes another stream from now on.
        case drew(StreamTag, behind: StreamTag)
        case cannotRelease(EventSpan)
    }

    /// What the hub works with.
    package struct Parts: Sendable {
        package var limits: AggregatorLimits
        package var hasher: any ContentHasher
        package var verifier: any SignatureVerifier
        package var signer: any Signer
        /// Whether a new stream of an agent that has others waits for an operator.
        package var needsApproval: Bool

        package init(
            limits: AggregatorLimits, hasher: any ContentHasher, verifier: any SignatureVerifier,
            signer: any Signer, needsApproval: Bool = false
        ) {
            self.limits = limits
            self.hasher = hasher
            self.verifier = verifier
            self.signer = signer
            self.needsApproval = needsApproval
        }
    }

    let parts: Parts
    var fold: HubFold
    var journal: HubJournal
    var fleet: Fleet
    var schedule: SnapshotSchedule
    var clock: HybridClock
    /// What agents are told of the clock: it stood there at the last commit, behind all that it has.
    var clockCommitted: HybridTimestamp
    /// The last position of the log, and the hash of the segment there.
    package internal(set) var position: Int64
    var hash: Hash256
    /// Of the hub's stream, what is durable.
    var committedEvents: UInt64
    var pending = Pending()
    var underWay: Pending?
    var watermarks = WaitingWatermarks()
    var sinceCheckpoint = Pending.Size()
    var tellings: [AgentID: Telling] = [:]
    var returned = ReturnedPlaces()
    var decisions = Decisions()
    /// Segments whose clock a former hub has judged, by what agents returned.
    var judged: Set<Hash256> = []
    var succession: Succession?
    /// When the hub last drew a stream.
    var drawnAt: SteadyTime?
    /// Those that have not yet been told that the aggregator is up.
    var shardsToTell: Range<Int> = 0..<0
    package var tracing: any MergeTracing

    package init(
        _ origin: HubOrigin, _ parts: Parts, tracing: any MergeTracing = NoTracing(),
        now: Timestamp
    ) {
        self.parts = parts
        self.tracing = tracing
        fleet = Fleet(parts)
        schedule = SnapshotSchedule(limits: parts.limits)
        fold = origin.fold
        journal = HubJournal(origin.genesis, end: origin.end, parts.hasher)
        clock = HybridClock(latest: origin.clock)
        clockCommitted = origin.clock
        position = origin.position
        hash = origin.hash
        committedEvents = 0
        load(origin, now: now)
    }

    // MARK: Life

    /// After a failed commit, everything comes from the store again; the agents greet anew.
    package mutating func reload(_ origin: HubOrigin, now: ClockReading) {
        fold = origin.fold
        journal = HubJournal(origin.genesis, end: origin.end, parts.hasher)
        position = origin.position
        hash = origin.hash
        load(origin, now: now.wall)
        sayUp()
    }

    private mutating func load(_ origin: HubOrigin, now: Timestamp) {
        let tag = journal.tag
        if !fold.state.hubs.contains(where: { $0.tag == tag }) { fold.state.begin(tag) }
        committedEvents = journal.end.sequence
        schedule = SnapshotSchedule(limits: parts.limits)
        fleet.load(origin.streams, fold.state, now: now)
        pending = Pending()
        underWay = nil
        watermarks = WaitingWatermarks()
        sinceCheckpoint = Pending.Size()
        tellings.removeAll()
        returned = ReturnedPlaces()
        judged.removeAll()
        decisions.forget()
        succession = origin.isRestored ? Succession(agent: nil) : nil
    }

    /// The broker is there, perhaps again: agents are to greet at once, instead of waiting until they
    /// miss an answer.
    package mutating func connected() {
        sayUp()
    }

    // MARK: Questions

    /// The hub's stream that is written.
    package var tag: StreamTag { journal.tag }

    package var genesis: Genesis { journal.genesis }

    package var ledger: GlobalLedger { fold.ledger }

    package var state: HubState { fold.state }

    /// Where every branch of every stream ends, as committed.
    package var leaves: [(genesis: Hash256, end: ChainPoint)] { fleet.leaves }

    package func agents(now: SteadyTime) -> [AgentView] { fleet.views(fold.state, now: now) }

    package func session(_ tag: StreamTag) -> StreamSession? { fleet.existing(tag) }

    /// In the order in which they were first heard of.
    package var streams: [StreamTag] { fleet.tags }

    /// What happened in the fleet since it was last taken.
    package mutating func takeChanges() -> [FleetChange] { fleet.takeChanges() }

    /// What is durable of this hub, for who has greeted so.
    func place(for hello: Hello?) -> StreamSession.HubPlace {
        StreamSession.HubPlace(
            tag: tag, events: committedEvents, position: UInt64(max(position, 0)),
            hasToldSeen: hello.map(hasToldSeen) ?? true)
    }

    private func hasToldSeen(_ hello: Hello) -> Bool {
        guard let digest = hello.seenEvent, hello.seen.hub == tag else { return true }
        let agent = hello.genesis.agent
        guard let event = fold.state.told(agent, hello.seen.position) else { return false }
        return event.digest(of: tag, parts.hasher) == digest
    }

    // MARK: Saying

    /// Every message down is signed, so that nobody else can acknowledge.
    func framed(_ message: Message, session: UInt64) -> Frame {
        message.framed(session: session).signed(by: parts.signer, parts.hasher)
    }

    func send(_ message: Message, session: UInt64, to agent: AgentID) -> Action {
        .send(framed(message, session: session), to: agent)
    }

    mutating func sayUp() {
        shardsToTell = 0..<Topics.shards
    }

    /// That the aggregator is up.
    func notice(_ now: ClockReading) -> HubNotice {
        HubNotice(isUp: true, hub: Seen(hub: tag, position: committedEvents), at: now.wall)
    }

    private static let shardsPerTick = 8

    /// A few shards at a time: the transport has no room for all of them.
    mutating func tellShards(_ now: ClockReading) -> [Action] {
        guard !shardsToTell.isEmpty, succession == nil else { return [] }
        let frame = framed(.hub(notice(now)), session: 0)
        let shards = shardsToTell.prefix(Hub.shardsPerTick)
        shardsToTell.removeFirst(shards.count)
        return shards.map { .announce(frame, shard: $0) }
    }
}
