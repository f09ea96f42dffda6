import LedgerCore
import SyncProtocol

/// An event of a log, whichever branch its segment is of.
struct LoggedEvent: Hashable {
    let segment: Hash256
    let sequence: UInt64
}

/// A conflict, as far as it can be told from others: there may be several of a kind in a stream.
struct LoggedConflict: Hashable {
    let kind: Conflict.Kind
    let stream: StreamTag
}

/// What the hub's streams of a log say, read by other code than the fold's.
struct HubReading {
    /// What has no effect, in the end.
    private(set) var quarantined: Set<LoggedEvent> = []
    /// Segments whose clock is marked.
    private(set) var restamped: Set<Hash256> = []
    private(set) var closed: Set<StreamTag> = []
    private(set) var gaps: [HubFact.LostGap] = []
    private(set) var conflicts: Set<LoggedConflict> = []
    /// By hub and agent, the events that the agent is to be told.
    private(set) var addressed: [StreamTag: [AgentID: Set<UInt64>]] = [:]
    /// What is wrong with a stream of the hub itself.
    private(set) var fault: String?

    private var ends: [StreamTag: ChainPoint] = [:]
    private var told: [StreamTag: [AgentID: UInt64]] = [:]
    private var times: [StreamTag: HybridTimestamp] = [:]

    /// - Parameter hubs: what the hub's streams begin with.
    init(_ log: some Collection<SealedSegment>, hubs: [Genesis]) {
        for genesis in hubs {
            let start = ChainPoint(sequence: 0, hash: genesis.hash(ToyHasher()))
            ends[StreamTag(genesisHash: start.hash)] = start
        }
        for sealed in log {
            let header = sealed.segment.header
            guard let end = ends[header.stream] else { continue }
            if header.previous != end.hash || header.firstSequence != end.sequence + 1 {
                fault = "\(header.sequences) of hub \(header.stream) follow \(end.sequence)"
            }
            ends[header.stream] = sealed.end
            for read in sealed.segment.hubEvents() { take(read, header.stream) }
        }
    }

    private mutating func take(_ read: ReadHubEvent, _ hub: StreamTag) {
        guard case .event(let event) = read else {
            fault = "an event of hub \(hub) cannot be read"
            return
        }
        if let before = times[hub], event.time <= before {
            fault = "event \(event.sequence) of hub \(hub) is not later than the one before"
        }
        times[hub] = event.time
        if let address = event.content.address {
            let before = told[hub]?[address.agent] ?? 0
            if address.previous != before {
                fault =
                    "\(address.agent) is told \(event.sequence) of hub \(hub) behind "
                    + "\(address.previous), and was told \(before)"
            }
            told[hub, default: [:]][address.agent] = event.sequence
            addressed[hub, default: [:]][address.agent, default: []].insert(event.sequence)
        }
        take(event.content.fact)
    }

    private mutating func take(_ fact: HubFact) {
        switch fact {
        case .quarantined(let span, _):
            quarantined.formUnion(span.events)
            note(.quarantined, span.stream)
        case .released(let span): quarantined.subtract(span.events)
        case .restamped(let span, _):
            restamped.insert(span.segment)
            note(.clockSuspect, span.stream)
        case .reordered(let span, _): note(.reordered, span.stream)
        case .closed(let stream, let standing, _):
            closed.insert(stream)
            if standing == .forked || standing == .rolledBack { note(.fork, stream) }
        case .declaredLost(let stream): closed.insert(stream)
        case .gapLost(let gap):
            gaps.append(gap)
            note(.gapLost, gap.stream)
        case .awaitsApproval, .approved, .resolved, .unknown: break
        }
    }

    private mutating func note(_ kind: Conflict.Kind, _ stream: StreamTag) {
        conflicts.insert(LoggedConflict(kind: kind, stream: stream))
    }
}

extension EventSpan {
    fileprivate var events: [LoggedEvent] {
        sequences.map { LoggedEvent(segment: segment, sequence: $0) }
    }
}
