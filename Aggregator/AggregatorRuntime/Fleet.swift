import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import SyncProtocol
import Workers

/// The streams' sessions, and what is known of the agents behind them.
struct Fleet {
    /// Greetings of streams that never proved themselves, kept in memory only.
    private static let unprovedMax = 4096

    private struct Agent {
        var isOnline = false
        var softwareVersion = ""
        var lastSeenAt: Timestamp?
        var offlineSince: Timestamp?
        var lastAckAt: Timestamp?
        var clockOffset: Int64?
        var setAside: UInt64 = 0
        /// The stream of the last greeting.
        var greeting: StreamTag?
    }

    /// What is known of a stream beside its session.
    private struct Progress {
        /// The head of its last status, signed by its key as well as a proof's.
        var statusHead: UInt64 = 0
        var merged: UInt64
        /// When it last grew, or had nothing announced that was not merged.
        var at: ClockReading
    }

    private var sessions: [StreamTag: StreamSession] = [:]
    private var agents: [AgentID: Agent] = [:]
    private var progress: [StreamTag: Progress] = [:]
    private var unproved = 0
    private var changes: [FleetChange] = []
    private let limits: AggregatorLimits
    private let hasher: any ContentHasher
    private let verifier: any SignatureVerifier

    init(
        _ streams: [LedgerStore.KnownStream], _ limits: AggregatorLimits,
        _ hasher: any ContentHasher,
        _ verifier: any SignatureVerifier
    ) {
        self.limits = limits
        self.hasher = hasher
        self.verifier = verifier
        reload(streams)
    }

    /// The sessions as the store knows them; those under way are forgotten.
    mutating func reload(_ streams: [LedgerStore.KnownStream]) {
        sessions.removeAll()
        unproved = 0
        for stream in streams {
            sessions[stream.row.tag] = StreamSession(
                genesis: stream.row.genesis, ends: stream.ends, record: stream.record,
                limits: limits, hasher: hasher, verifier: verifier)
            agents[stream.row.genesis.agent, default: Agent()].greeting = nil
            noteStored(stream)
        }
    }

    /// When the agent was last acknowledged, and heard of: then, or when it said its watermark, which
    /// is by its own clock. It may have been a little later.
    private mutating func noteStored(_ stream: LedgerStore.KnownStream) {
        let agent = stream.row.genesis.agent
        let watermark = stream.record.watermark
        let saidAt = watermark.rawValue > 0 ? min(watermark.time, WallClock.now()) : nil
        let heardAt = [agents[agent]?.lastSeenAt, stream.committedAt, saidAt].compactMap { $0 }
        let acknowledgedAt = [agents[agent]?.lastAckAt, stream.committedAt].compactMap { $0 }
        agents[agent]?.lastSeenAt = heardAt.max()
        agents[agent]?.lastAckAt = acknowledgedAt.max()
    }

    var agentCount: Int { agents.count }
    var tags: [StreamTag] { Array(sessions.keys) }

    func existing(_ tag: StreamTag) -> StreamSession? { sessions[tag] }

    /// Lets the stream's machine, if there is one, answer an event.
    mutating func session(
        _ tag: StreamTag, _ event: (inout StreamSession) -> [StreamSession.Action]
    ) -> [StreamSession.Action] {
        guard let index = sessions.index(forKey: tag) else { return [.drop(.notInSession)] }
        return event(&sessions.values[index])
    }

    /// - Returns: the stream's tag; nil where it cannot have a session: another genesis has the
    ///   same tag, or too many greet without ever proving themselves.
    mutating func greeted(_ hello: Hello, _ agent: AgentID, _ now: Timestamp) -> StreamTag? {
        let hash = hello.genesis.hash(hasher)
        let tag = StreamTag(genesisHash: hash)
        if let existing = sessions[tag] {
            guard existing.genesis == hello.genesis else { return nil }
        } else {
            guard unproved < Fleet.unprovedMax else { return nil }
            unproved += 1
            sessions[tag] = StreamSession(
                genesis: hello.genesis,
                record: StreamSession.Record(announced: ChainPoint(sequence: 0, hash: hash)),
                limits: limits, hasher: hasher, verifier: verifier)
        }
        agents[agent, default: Agent()].greeting = tag
        agents[agent]?.softwareVersion = hello.softwareVersion
        noteOnline(agent, true, now)
        return tag
    }

    // MARK: Notes

    mutating func saw(_ agent: AgentID, _ now: Timestamp) {
        agents[agent]?.lastSeenAt = now
    }

    mutating func noteClock(_ agent: AgentID, sentAt: Timestamp, _ now: Timestamp) {
        agents[agent]?.clockOffset = sentAt.microseconds(since: now)
    }

    mutating func noteStatus(_ agent: AgentID, _ status: Status, _ now: ClockReading) {
        noteOnline(agent, status.isOnline, now.wall)
        noteProgress(status.stream, now)
        let known = progress[status.stream]?.statusHead ?? 0
        progress[status.stream]?.statusHead = max(known, status.head.sequence)
    }

    mutating func noteOnline(_ agent: AgentID, _ isOnline: Bool, _ now: Timestamp) {
        guard let known = agents[agent], known.isOnline != isOnline else { return }
        agents[agent]?.isOnline = isOnline
        agents[agent]?.offlineSince = isOnline ? nil : now
        changes.append(FleetChange(agent: agent, kind: isOnline ? .online : .offline, at: now))
    }

    mutating func noteStop(_ tag: StreamTag, _ standing: Standing, _ now: Timestamp) {
        guard let agent = sessions[tag]?.genesis.agent else { return }
        changes.append(FleetChange(agent: agent, kind: .stopped(tag, standing), at: now))
    }

    /// What happened since they were last taken.
    mutating func takeChanges() -> [FleetChange] {
        defer { changes.removeAll(keepingCapacity: true) }
        return changes
    }

    /// Time has passed: which streams have grown, and which have nothing to wait for?
    mutating func noteProgress(_ now: ClockReading) {
        for tag in sessions.keys { noteProgress(tag, now) }
    }

    private mutating func noteProgress(_ tag: StreamTag, _ now: ClockReading) {
        guard let session = sessions[tag] else { return }
        let merged = session.committed.sequence
        guard let known = progress[tag] else {
            progress[tag] = Progress(merged: merged, at: now)
            return
        }
        if known.merged != merged || announced(session) <= merged {
            progress[tag]?.merged = merged
            progress[tag]?.at = now
        }
    }

    private func announced(_ session: StreamSession) -> UInt64 {
        max(session.record.announced.sequence, progress[session.stream]?.statusHead ?? 0)
    }

    mutating func noteAck(_ agent: AgentID, _ at: Timestamp) {
        agents[agent]?.lastAckAt = at
    }

    mutating func noteSetAside(_ tag: StreamTag, _ count: Int) {
        guard let agent = sessions[tag]?.genesis.agent else { return }
        agents[agent]?.setAside += UInt64(count)
    }

    // MARK: Views

    /// Where every branch of every stream ends, as committed.
    func leaves(_ hasher: any ContentHasher) -> [(genesis: Hash256, end: ChainPoint)] {
        sessions.values.flatMap { session in
            let genesis = session.genesis.hash(hasher)
            return session.leaves.map { (genesis, $0) }
        }
    }

    func views(now: SteadyTime) -> [AgentView] {
        let streams = Dictionary(grouping: sessions.values) { $0.genesis.agent }
        return agents.sorted { $0.key < $1.key }.map { id, agent in
            AgentView(
                id: id, isOnline: agent.isOnline,
                streams: (streams[id] ?? []).filter { $0.record.provedSession > 0 }.sorted {
                    $0.stream < $1.stream
                }
                .map { view(of: $0, isCurrent: $0.stream == agent.greeting, now) },
                softwareVersion: agent.softwareVersion, lastSeenAt: agent.lastSeenAt,
                offlineSince: agent.offlineSince, lastAckAt: agent.lastAckAt,
                clockOffset: agent.clockOffset, setAside: agent.setAside)
        }
    }

    private func view(
        of session: StreamSession, isCurrent: Bool, _ now: SteadyTime
    ) -> AgentView.StreamView {
        AgentView.StreamView(
            tag: session.stream, announced: announced(session),
            merged: session.committed.sequence, standing: session.record.standing,
            session: session.record.provedSession,
            watermark: session.watermark.rawValue > 0 ? session.watermark : nil,
            missing: missing(session, now), lacking: session.lacking, isCurrent: isCurrent)
    }

    /// What nobody has any more, the gaps before what came early, and what was announced and has not
    /// come for some time.
    private func missing(_ session: StreamSession, _ now: SteadyTime) -> [MissingRange] {
        var ranges = session.missing(now: now)
        let announced = announced(session)
        let received = session.highestReceived
        if announced > received, let progress = progress[session.stream],
            now.microseconds(since: progress.at.steady) >= limits.missingAfter
        {
            ranges.append(
                MissingRange(
                    first: received + 1, last: announced, since: progress.at.wall,
                    evidence: .announced(head: announced)))
        }
        if let lacking = session.lacking, let progress = progress[session.stream] {
            let pruned = MissingRange(
                first: lacking.lowerBound, last: lacking.upperBound,
                since: progress.at.wall,
                evidence: .pruned(oldestRetained: lacking.upperBound + 1))
            ranges = [pruned] + ranges.compactMap { $0.rest(behind: lacking.upperBound) }
        }
        guard ranges.count > limits.missingRangesMax, let last = ranges.last else { return ranges }
        let named = ranges.prefix(limits.missingRangesMax - 1)
        let rest = ranges[named.count]
        return named + [
            MissingRange(
                first: rest.first, last: last.last, since: rest.since, evidence: rest.evidence)
        ]
    }
}
