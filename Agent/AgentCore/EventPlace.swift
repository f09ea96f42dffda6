import LedgerCore

/// An event of this agent: its stream, and its number there.
///
/// A data folder writes one stream at a time, and keeps those that it wrote before.
/// As text, `k3f9qa2m-1051`: what cursors and the ids of the event stream are made of.
package struct EventPlace: Hashable, Sendable, CustomStringConvertible {
    package let stream: StreamTag
    /// 0 for the place before the stream's first event.
    package let sequence: UInt64

    package init(stream: StreamTag, sequence: UInt64) {
        self.stream = stream
        self.sequence = sequence
    }

    /// - Returns: nil for a text that is no place.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        // The store counts in signed integers.
        guard parts.count == 2, let stream = try? StreamTag(parts[0]),
            let sequence = UInt64(parts[1]), sequence <= Int64.max
        else { return nil }
        self.init(stream: stream, sequence: sequence)
    }

    package var description: String { "\(stream)-\(sequence)" }

    /// As clients know it.
    package func id(_ agent: AgentID) -> EventID {
        EventID(agent: agent, stream: stream, sequence: sequence)
    }
}

extension EventID {
    package var place: EventPlace { EventPlace(stream: stream, sequence: sequence) }
}
