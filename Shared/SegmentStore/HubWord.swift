import GRDB
import LedgerCore
import SyncProtocol

/// What the events of the hub's streams say of the agents' segments, for `verify`, which reads the log
/// with code of its own.
struct HubWord {
    private var gaps: [StreamTag: [HubFact.LostGap]] = [:]
    private var quarantined: [Hash256: [ClosedRange<UInt64>]] = [:]

    /// Takes in the events of a hub's stream. What cannot be read is found by the walk.
    mutating func read(_ hub: StreamRow, _ database: Database) throws(StoreError) {
        var select = try SQLStatement(
            database, "SELECT bytes FROM segments WHERE stream = ? ORDER BY position")
        try select.bind(hub.id.rawValue)
        while try select.step() {
            guard let segment = try? Segment(decoding: select.blob(0)) else { continue }
            for case .event(let event) in segment.hubEvents() { take(event.content.fact) }
        }
    }

    private mutating func take(_ fact: HubFact) {
        switch fact {
        case .gapLost(let gap): gaps[gap.stream, default: []].append(gap)
        case .quarantined(let span, _):
            quarantined[span.segment, default: []].append(span.sequences)
        case .released(let span):
            quarantined[span.segment] = quarantined[span.segment]?.flatMap {
                $0.subtracting(span.sequences)
            }
        default: break
        }
    }

    /// Whether what is missing in front of the segment is known to be lost.
    func isLost(before header: SegmentHeader) -> Bool {
        gaps[header.stream]?.contains {
            $0.resumesBehind == header.previous
                && $0.sequences.upperBound + 1 == header.firstSequence
        } ?? false
    }

    func hasGaps(_ stream: StreamTag) -> Bool { gaps[stream] != nil }

    func isQuarantined(_ sequence: UInt64, _ segment: Hash256?) -> Bool {
        guard let segment else { return false }
        return quarantined[segment]?.contains { $0.contains(sequence) } ?? false
    }
}
