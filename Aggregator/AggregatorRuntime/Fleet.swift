import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import SyncProtocol

/// The streams' sessions, and what is known of the agents behind them.
struct Fleet {
    /// Greetings of streams that never proved themselves, kept in memory only.
    private static let unprovedMax = 4096

    private struct Agent {
        var isOnline = false
        var softwareVersion = ""
        var lastSeenAt: Timestamp?
        var lastAckAt: Timestamp?
        var clockOffset: Int64?
        var setAside: UInt64 = 0
        /// The stream of the last greeting.
        var greeting: StreamTag?
        var statusHead: UInt64 = 0
    }

    private var sessions: [StreamTag: StreamSession] = [:]
    private var agents: [AgentID: Agent] = [:]
    private var unproved = 0
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
                genesis: stream.row.genesis, committed: stream.end, dictionary: stream.dictionary,
                record: stream.record, limits: limits, hasher: hasher, verifier: verifier)
            agents[stream.row.genesis.agent, default: Agent()].greeting = nil
        }
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
    mutating func greeted(_ hello: Hello, _ agent: AgentID) -> StreamTag? {
        let hash = hello.genesis.hash(hasher)
        let tag = StreamTag(genesisHash: hash)
        if let existing = sessions[tag] {
            guard existing.genesis == hello.genesis else { return nil }
        } else {
            guard unproved < Fleet.unprovedMax else { return nil }
            unproved += 1
            sessions[tag] = StreamSession(
                genesis: hello.genesis, committed: ChainPoint(sequence: 0, hash: hash),
                dictionary: .empty,
                record: StreamSession.Record(announced: ChainPoint(sequence: 0, hash: hash)),
                limits: limits, hasher: hasher, verifier: verifier)
        }
        agents[agent, default: Agent()].greeting = tag
        agents[agent]?.softwareVersion = hello.softwareVersion
        agents[agent]?.isOnline = true
        return tag
    }

    func greetingStream(of agent: AgentID) -> StreamTag? { agents[agent]?.greeting }

    // MARK: Notes

    mutating func saw(_ agent: AgentID, _ now: Timestamp) {
        agents[agent]?.lastSeenAt = now
    }

    mutating func noteClock(_ agent: AgentID, sentAt: Timestamp, _ now: Timestamp) {
        agents[agent]?.clockOffset = sentAt.microseconds(since: now)
    }

    mutating func noteStatus(_ agent: AgentID, _ status: Status) {
        agents[agent]?.isOnline = status.isOnline
        agents[agent]?.statusHead = status.head.sequence
    }

    mutating func noteAck(_ agent: AgentID, _ at: Timestamp) {
        agents[agent]?.lastAckAt = at
    }

    mutating func noteSetAside(_ tag: StreamTag, _ count: Int) {
        guard let agent = sessions[tag]?.genesis.agent else { return }
        agents[agent]?.setAside += UInt64(count)
    }

    // MARK: Views

    /// Where every stream's committed chain ends.
    func leaves(_ hasher: any ContentHasher) -> [(genesis: Hash256, end: ChainPoint)] {
        sessions.values.filter { $0.committed.sequence > 0 }.map {
            ($0.genesis.hash(hasher), $0.committed)
        }
    }

    var views: [AgentView] {
        let streams = Dictionary(grouping: sessions.values) { $0.genesis.agent }
        return agents.sorted { $0.key < $1.key }.map { id, agent in
            AgentView(
                id: id, isOnline: agent.isOnline,
                streams: (streams[id] ?? []).filter { $0.record.provedSession > 0 }.sorted {
                    $0.stream < $1.stream
                }
                .map { session in
                    AgentView.StreamView(
                        tag: session.stream, announced: session.record.announced.sequence,
                        merged: session.committed.sequence, standing: session.record.standing,
                        session: session.record.provedSession)
                },
                softwareVersion: agent.softwareVersion, lastSeenAt: agent.lastSeenAt,
                lastAckAt: agent.lastAckAt,
                clockOffset: agent.clockOffset, setAside: agent.setAside)
        }
    }
}
