import LedgerCore
import SyncProtocol

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
        /// The stream that it writes, as far as it has shown.
        var writing: StreamTag?
        /// All of its streams that the store has.
        var streams: [StreamTag] = []
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
    /// In the order in which they were first heard of.
    private(set) var tags: [StreamTag] = []
    private var agents: [AgentID: Agent] = [:]
    private var progress: [StreamTag: Progress] = [:]
    private var unproved = 0
    /// Those that the store has, or will with the next commit.
    private var stored: Set<StreamTag> = []
    private var changes: [FleetChange] = []
    private let parts: Hub.Parts

    init(_ parts: Hub.Parts) {
        self.parts = parts
    }

    /// The sessions as the store knows them; those under way are forgotten.
    mutating func load(_ streams: [HubOrigin.Stream], _ state: HubState, now: Timestamp) {
        sessions.removeAll()
        tags.removeAll()
        stored.removeAll()
        unproved = 0
        for agent in agents.keys { agents[agent]?.streams.removeAll() }
        for stream in streams {
            let session = StreamSession(
                genesis: stream.genesis, ends: stream.ends,
                lostGaps: state.gaps(of: StreamTag(genesisHash: stream.genesis.hash(parts.hasher))),
                record: stream.record,
                limits: parts.limits, hasher: parts.hasher, verifier: parts.verifier)
            sessions[session.stream] = session
            tags.append(session.stream)
            agents[stream.genesis.agent, default: Agent()].writing = nil
            noteStored(session.stream)
            noteTimes(stream, now)
        }
    }

    /// When the agent was last acknowledged, and heard of: then, or when it said its watermark, which
    /// is by its own clock. It may have been a little later.
    private mutating func noteTimes(_ stream: HubOrigin.Stream, _ now: Timestamp) {
        let agent = stream.genesis.agent
        let watermark = stream.record.watermark
        let saidAt = watermark.rawValue > 0 ? min(watermark.time, now) : nil
        let heardAt = [agents[agent]?.lastSeenAt, stream.committedAt, saidAt].compactMap { $0 }
        let acknowledgedAt = [agents[agent]?.lastAckAt, stream.committedAt].compactMap { $0 }
        agents[agent]?.lastSeenAt = heardAt.max()
        agents[agent]?.lastAckAt = acknowledgedAt.max()
    }

    // MARK: Sessions

    var agentCount: Int { agents.count }

    func isStored(_ tag: StreamTag) -> Bool { stored.contains(tag) }

    mutating func noteStored(_ tag: StreamTag) {
        guard stored.insert(tag).inserted, let agent = sessions[tag]?.genesis.agent else { return }
        agents[agent]?.streams.append(tag)
    }

    /// All of an agent's that the store has, or will with the next commit.
    func streams(of agent: AgentID) -> [StreamTag] { agents[agent]?.streams ?? [] }

    func existing(_ tag: StreamTag) -> StreamSession? { sessions[tag] }

    /// Lets the stream's machine, if there is one, answer an event.
    mutating func session(
        _ tag: StreamTag, _ event: (inout StreamSession) -> [StreamSession.Action]
    ) -> [StreamSession.Action] {
        guard let index = sessions.index(forKey: tag) else { return [.drop(.notInSession)] }
        return event(&sessions.values[index])
    }

    /// The same for an event that only the stream's own agent may bring.
    mutating func session(
        _ tag: StreamTag, of agent: AgentID,
        _ event: (inout StreamSession) -> [StreamSession.Action]
    ) -> [StreamSession.Action] {
        session(tag) { $0.genesis.agent == agent ? event(&$0) : [.drop(.foreignStream)] }
    }

    mutating func forgetSessions() {
        for index in sessions.values.indices { sessions.values[index].forget() }
    }

    /// - Returns: the stream's tag; nil where it cannot have a session: another genesis has the
    ///   same tag, or too many greet without ever proving themselves.
    mutating func greeted(
        _ hello: Hello, _ agent: AgentID, _ state: HubState, _ now: Timestamp
    ) -> StreamTag? {
        let hash = hello.genesis.hash(parts.hasher)
        let tag = StreamTag(genesisHash: hash)
        if let existing = sessions[tag] {
            guard existing.genesis == hello.genesis else { return nil }
        } else {
            guard unproved < Fleet.unprovedMax else { return nil }
            unproved += 1
            let record = StreamSession.Record(
                announced: ChainPoint(sequence: 0, hash: hash), standing: state.standing(of: tag))
            sessions[tag] = StreamSession(
                genesis: hello.genesis, lostGaps: state.gaps(of: tag), record: record,
                limits: parts.limits, hasher: parts.hasher, verifier: parts.verifier)
            tags.append(tag)
        }
        agents[agent, default: Agent()].softwareVersion = hello.softwareVersion
        noteOnline(agent, true, now)
        return tag
    }

    /// An agent has proved one of its streams, which may be one that it left: where it writes another
    /// that is not closed, that one is taken to go on until it shows otherwise.
    mutating func noteProved(_ tag: StreamTag, isFirst: Bool) {
        guard let agent = sessions[tag]?.genesis.agent else { return }
        let known = agents[agent]?.writing.flatMap { sessions[$0] }
        if isFirst || known?.record.standing != .open { agents[agent]?.writing = tag }
    }

    /// What only the stream says that its agent writes.
    ///
    /// - Returns: whether that is news.
    mutating func noteWrites(_ tag: StreamTag) -> Bool {
        guard let agent = sessions[tag]?.genesis.agent, agents[agent]?.writing != tag else {
            return false
        }
        agents[agent]?.writing = tag
        return true
    }

    /// Whether the agent has another stream than this that was ever proved.
    func isKnown(_ agent: AgentID, besides tag: StreamTag) -> Bool {
        tags.contains {
            guard $0 != tag, let session = sessions[$0] else { return false }
            return session.genesis.agent == agent && session.record.provedSession > 0
        }
    }

    func writes(_ tag: StreamTag, _ agent: AgentID) -> Bool { agents[agent]?.writing == tag }

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

    func isOnline(_ agent: AgentID) -> Bool { agents[agent]?.isOnline ?? false }

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
        for tag in tags { noteProgress(tag, now) }
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

    mutating func noteSetAside(_ agent: AgentID, _ count: Int) {
        agents[agent]?.setAside += UInt64(count)
    }
}

// MARK: Views

extension Fleet {
    /// Where every branch of every stream ends, as committed.
    var leaves: [(genesis: Hash256, end: ChainPoint)] {
        tags.flatMap { tag in
            guard let session = sessions[tag] else { return [(Hash256, ChainPoint)]() }
            return session.leaves.map { (session.start.hash, $0) }
        }
    }

    func views(_ state: HubState, now: SteadyTime) -> [AgentView] {
        let streams = Dictionary(grouping: sessions.values) { $0.genesis.agent }
        var open: [StreamTag: Int] = [:]
        for conflict in state.conflicts.all where conflict.isOpen {
            open[conflict.stream, default: 0] += 1
        }
        return agents.sorted { $0.key < $1.key }.map { id, agent in
            AgentView(
                id: id, isOnline: agent.isOnline,
                streams: (streams[id] ?? []).filter { $0.record.provedSession > 0 }.sorted {
                    $0.stream < $1.stream
                }
                .map { session in
                    var view = view(
                        of: session, state, isCurrent: session.stream == agent.writing, now)
                    view.openConflicts = open[session.stream] ?? 0
                    return view
                },
                softwareVersion: agent.softwareVersion, lastSeenAt: agent.lastSeenAt,
                offlineSince: agent.offlineSince, lastAckAt: agent.lastAckAt,
                clockOffset: agent.clockOffset, setAside: agent.setAside)
        }
    }

    private func view(
        of session: StreamSession, _ state: HubState, isCurrent: Bool, _ now: SteadyTime
    ) -> AgentView.StreamView {
        var view = AgentView.StreamView(
            tag: session.stream, announced: announced(session),
            merged: session.committed.sequence, standing: session.record.standing,
            session: session.record.provedSession,
            watermark: session.watermark.rawValue > 0 ? session.watermark : nil,
            missing: missing(session, state, now),
            lacking: lacking(session, state),
            isCurrent: isCurrent)
        view.branches = session.leaves
        view.gaps = state.recordedGaps(of: session.stream).map { gap, conflict in
            AgentView.StreamView.Gap(
                sequences: gap.sequences, conflict: conflict.id, isOpen: conflict.isOpen)
        }
        return view
    }

    private func lacking(
        _ session: StreamSession, _ state: HubState
    ) -> AgentView.StreamView.Lacking? {
        if let pruned = session.lacking {
            return AgentView.StreamView.Lacking(sequences: pruned, cause: .pruned)
        }
        return state.openGaps(of: session.stream).first.map { gap, _ in
            AgentView.StreamView.Lacking(sequences: gap.sequences, cause: gap.cause)
        }
    }

    /// What nobody has any more, the gaps before what came early, and what was announced and has not
    /// come for some time.
    private func missing(
        _ session: StreamSession, _ state: HubState, _ now: SteadyTime
    ) -> [MissingRange] {
        let limits = parts.limits
        var ranges = state.openGaps(of: session.stream).map { gap, since in
            MissingRange(
                first: gap.sequences.lowerBound, last: gap.sequences.upperBound, since: since,
                evidence: gap.evidence)
        }
        ranges += session.missing(now: now)
        let announced = announced(session)
        let received = max(session.highestReceived, session.lostThrough)
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

extension HubFact.LostGap {
    fileprivate var evidence: MissingRange.Evidence {
        switch cause {
        case .pruned: .pruned(oldestRetained: sequences.upperBound + 1)
        case .unreadable: .unreadable
        }
    }
}
