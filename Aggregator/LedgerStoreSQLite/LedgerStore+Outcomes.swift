import AggregatorCore
import LedgerCore
import SegmentStore
import SyncProtocol

extension LedgerStore {
    /// Segments that one page of outcomes may look through: what a reader whose filter admits little
    /// may hold a reading thread for.
    private static let segmentsPerPage = 64
    /// Many small segments, or one that is full.
    private static let outcomesReadLimit = ReadLimit(segments: 64, bytes: 64 << 10)

    /// The agents' events behind a place of the log that the filter admits, and all of the hub's. A page
    /// ends with a segment, so that none is decoded twice: it may have as many events more as a segment holds.
    package func outcomes(
        after place: EventPlace, _ filter: EventFilter, eventsMax: Int
    ) throws(StoreError) -> OutcomePage {
        var found: [LoggedOutcome] = []
        var end: OutcomePage.End?
        var segments = 0
        var hasMore = false
        try reader.segments(after: place.position - 1, limit: LedgerStore.outcomesReadLimit) {
            decoded in
            guard found.count < eventsMax, segments < LedgerStore.segmentsPerPage else {
                hasMore = true
                return .stop
            }
            segments += 1
            let told = decoded.stored.position == place.position ? place.sequence : 0
            let position = decoded.stored.position
            end = OutcomePage.End(
                position: position, sequence: decoded.stored.segment.header.lastSequence)
            if decoded.stream.genesis.writer == .hub {
                found += hubOutcomes(decoded, behind: told)
                return .next
            }
            guard filter.admits(decoded.stream.genesis.agent) else { return .next }
            for read in decoded.events where read.sequence > told {
                guard let content = filter.content(of: read) else { continue }
                found.append(
                    LoggedOutcome(
                        id: decoded.id(of: read.sequence),
                        position: position, committedAt: decoded.stored.recordedAt,
                        content: content))
            }
            return .next
        }
        return OutcomePage(outcomes: found, end: end, hasMore: hasMore)
    }

    /// One that cannot be read would have kept the ledger from being loaded.
    private func hubOutcomes(
        _ decoded: DecodedSegment, behind told: UInt64
    ) -> [LoggedOutcome] {
        decoded.stored.segment.hubEvents().compactMap { read in
            guard case .event(let event) = read, event.sequence > told else { return nil }
            return LoggedOutcome(
                id: decoded.id(of: event.sequence), position: decoded.stored.position,
                committedAt: decoded.stored.recordedAt, content: .recorded(event))
        }
    }
}

extension EventFilter {
    /// Nil where the reader does not want to hear of it. What cannot be read may be of any account.
    fileprivate func content(of read: ReadEvent) -> LoggedOutcome.Content? {
        switch read {
        case .event(let event): admits(event.transaction) ? .merged(event) : nil
        case .unknown(_, let kind): .setAside(reason: "kind \(kind) is not known to this version")
        case .poisoned(_, let error): .setAside(reason: "\(error)")
        }
    }
}
