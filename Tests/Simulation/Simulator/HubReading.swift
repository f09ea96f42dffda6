import LedgerCore
import SyncProtocol

/// An event of a log, whichever branch its segment is of.
struct LoggedEvent: Hashable {
    let segment: Hash256
    let sequence: UInt64
}

/// What the hub's streams of a log say, read by other code than the fold's.
struct HubReading {
    /// What has no effect, in the end.
    private(set) var quarantined: Set<LoggedEvent> = []
    /// Segments whose clock is marked.
    private(set) var restamped: Set<Hash256> = []
    private(set) var closed: Set<StreamTag> = []
    private(set) var gaps: [HubFact.LostGap] = []
    /// What is wrong with a stream of the hub itself.
    private(set) var fault: String?

    private var ends: [StreamTag: ChainPoint] = [:]
    private var told: [StreamTag: [AgentID: UInt64]] = [:]

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
        if let address = event.content.address {
            let before = told[hub]?[address.agent] ?? 0
            if address.previous != before {
                fault =
                    "\(address.agent) is told \(event.sequence) of hub \(hub) behind "
                    + "\(address.previous), and was told \(before)"
            }
            told[hub, default: [:]][address.agent] = event.sequence
        }
        switch event.content.fact {
        case .quarantined(let span, _): quarantined.formUnion(span.events)
        case .released(let span): quarantined.subtract(span.events)
        case .restamped(let span, _): restamped.insert(span.segment)
        case .closed(let stream, _, _), .declaredLost(let stream): closed.insert(stream)
        case .gapLost(let gap): gaps.append(gap)
        case .awaitsApproval, .approved, .reordered, .resolved, .unknown: break
        }
    }
}

extension EventSpan {
    fileprivate var events: [LoggedEvent] {
        sequences.map { LoggedEvent(segment: segment, sequence: $0) }
    }
}
