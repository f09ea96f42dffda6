import LedgerCore
import SyncProtocol

/// What the hub's events say of a segment, for those who show its events.
package struct SegmentNote: Hashable, Sendable {
    /// Events without effect.
    package var quarantined: [ClosedRange<UInt64>] = []
    /// By how many microseconds its times are shown later than they say.
    package var shift: Int64 = 0

    package static let none = SegmentNote()

    package init() {}

    package func isQuarantined(_ sequence: UInt64) -> Bool {
        quarantined.contains { $0.contains(sequence) }
    }

    /// The event as it is shown.
    package func shown(_ event: Event) -> Event {
        shift == 0 ? event : event.shifted(byMicroseconds: shift)
    }
}

extension Event {
    fileprivate func shifted(byMicroseconds distance: Int64) -> Event {
        let counter = time.rawValue & (1 << HybridTimestamp.counterBits - 1)
        let moved = HybridTimestamp(time.time.advanced(byMicroseconds: distance))
        return Event(
            sequence: sequence, time: HybridTimestamp(rawValue: moved.rawValue | counter),
            transaction: transaction, keyed: keyed, trace: trace, continuesGroup: continuesGroup)
    }
}
