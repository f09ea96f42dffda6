/// The place of an event: agent, stream, and the event's number in the stream, as text
/// `till-042.k3f9qa2m.1051`. Unique without asking anyone, and it leads to the event's segment
/// without an index.
package struct EventID: Hashable, Sendable, CustomStringConvertible {
    package let agent: AgentID
    package let stream: StreamTag
    /// From 1 on, without gaps along the stream.
    package let sequence: UInt64
    /// Where a fork made two events of one id: the first 8 hex digits of the hash of the event's
    /// segment.
    package let branch: String?

    package init(agent: AgentID, stream: StreamTag, sequence: UInt64, branch: String? = nil) {
        self.agent = agent
        self.stream = stream
        self.sequence = sequence
        self.branch = branch
    }

    /// - Throws: `InvalidValue` where the text is not `AGENT.STREAM.SEQ` or
    ///   `AGENT.STREAM.SEQ~HASH8`.
    package init(_ text: String) throws(InvalidValue) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw EventID.invalid(text) }
        let place = parts[2].split(separator: "~", maxSplits: 1, omittingEmptySubsequences: false)
        guard let sequence = EventID.sequence(place[0]) else { throw EventID.invalid(text) }
        if place.count == 2, !EventID.isBranch(place[1]) { throw EventID.invalid(text) }
        do {
            agent = try AgentID(String(parts[0]))
            stream = try StreamTag(parts[1])
        } catch {
            throw EventID.invalid(text)
        }
        self.sequence = sequence
        branch = place.count == 2 ? String(place[1]) : nil
    }

    package var description: String {
        "\(agent).\(stream).\(sequence)" + (branch.map { "~\($0)" } ?? "")
    }

    /// One spelling a number: no sign, no leading zero.
    private static func sequence(_ text: Substring) -> UInt64? {
        guard let number = UInt64(text), number > 0, String(number) == text else { return nil }
        return number
    }

    private static func isBranch(_ text: Substring) -> Bool {
        text.utf8.count == 8 && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    private static func invalid(_ text: String) -> InvalidValue {
        InvalidValue(
            "a transaction id is AGENT.STREAM.NUMBER, such as till-042.k3f9qa2m.1051, not \(text.quotedForMessage)"
        )
    }
}
