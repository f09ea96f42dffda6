/// Finds the groups in a segment's events, and those that cannot apply as a whole.
///
/// **Function.** `pass` each event with whether it is sound; behind each, and behind `end`, ask
/// `takeBroken`. All readers of events walk with it, so that none applies a group that another sets
/// aside.
///
/// **Implementation.** A group is found by its events' tags alone, which depend on no dictionary and
/// no version.
struct GroupWalk {
    /// A group whose sound events must be set aside, too.
    struct Broken {
        /// The place of its first event, as the caller counts.
        let start: Int
        /// What is said of the sound ones.
        let error: WireError
    }

    private struct Open {
        let start: Int
        let offset: Int
        var culprit: UInt64?
    }

    private var open: Open?
    private var broken: Broken?

    @inline(__always)
    mutating func pass(
        _ envelope: EventEnvelopes.Envelope, at index: Int, isSound: Bool,
        _ bytes: UnsafeRawBufferPointer
    ) {
        let continues = envelope.continuesGroup(bytes)
        // Nearly every event stands for itself.
        if !continues, open == nil { return }
        extend(envelope, at: index, isSound: isSound, continues)
    }

    private mutating func extend(
        _ envelope: EventEnvelopes.Envelope, at index: Int, isSound: Bool, _ continues: Bool
    ) {
        var group = open ?? Open(start: index, offset: envelope.offset)
        if !isSound { group.culprit = group.culprit ?? envelope.sequence }
        open = group
        if !continues { close() }
    }

    /// The segment ends here: a group that is still open has no end.
    mutating func end(behind last: UInt64) {
        guard var group = open else { return }
        group.culprit = group.culprit ?? last
        open = group
        close()
    }

    private mutating func close() {
        if let open, let culprit = open.culprit {
            broken = Broken(
                start: open.start,
                error: WireError(.brokenGroup(sequence: culprit), at: open.offset))
        }
        open = nil
    }

    @inline(__always)
    mutating func takeBroken() -> Broken? {
        guard broken != nil else { return nil }
        defer { broken = nil }
        return broken
    }
}
