import LedgerCore
import SyncProtocol

/// What a replay asks of whoever holds the log.
package protocol ReplayedLog {
    associatedtype Failure: Error

    /// The names in front of a segment of the log.
    func dictionary(before sealed: SealedSegment) throws(Failure) -> DictionaryState
    /// All names of a stream that led to that state, with nil for each that cannot be read.
    func names(
        of stream: StreamTag, leadingTo state: DictionaryState
    ) throws(Failure) -> [Definition?]
    /// The segment that a span is in, where it stands before a segment of the hub; nil where it does
    /// not.
    func segment(
        of span: EventSpan, before hub: SealedSegment
    ) throws(Failure) -> Segment?
}

/// The fold of the whole log: the merged ledger, and what the hub's events add up to.
///
/// **Invariants.** It reads nothing but the log: the same segments in the same order give the same
/// state, whatever version reads them. What has no effect, a hub event before it says so.
package struct HubFold: Sendable {
    /// Why the log cannot be replayed by this version.
    package enum Trouble: Hashable, Sendable {
        /// An event of the hub that this version cannot read.
        case unreadable(HubEventID, WireError)
        /// Events that had an effect and that this version cannot read.
        case withoutEffect([UInt64])
        /// Events that a hub event released, and that this version cannot read.
        case unreleasable(EventSpan)
    }

    package var ledger: GlobalLedger
    package var state: HubState

    package init(ledger: GlobalLedger = GlobalLedger(), state: HubState = HubState()) {
        self.ledger = ledger
        self.state = state
    }

    // MARK: Replaying

    /// The next segment of the log, of an agent.
    ///
    /// - Returns: nil where all is well.
    package mutating func replay<Log: ReplayedLog>(
        _ sealed: SealedSegment, _ log: Log
    ) throws(Log.Failure) -> Trouble? {
        let stream = sealed.segment.header.stream
        let before = try log.dictionary(before: sealed)
        try restoreNames(of: stream, leadingTo: before, log)
        let unexpected = ledger.merge(
            sealed.segment, behind: before, quarantined: quarantined(sealed.hash))
        return unexpected.isEmpty ? nil : .withoutEffect(unexpected.map(\.sequence))
    }

    /// The names that a branch goes on with, where the ledger does not have them: it was loaded from a
    /// checkpoint, or they went on with another branch.
    package mutating func restoreNames<Log: ReplayedLog>(
        of stream: StreamTag, leadingTo state: DictionaryState, _ log: Log
    ) throws(Log.Failure) {
        guard !ledger.hasNames(of: stream, leadingTo: state) else { return }
        let names = try log.names(of: stream, leadingTo: state)
        ledger.restore(names, of: stream, leadingTo: state)
    }

    func quarantined(_ segment: Hash256) -> [ClosedRange<UInt64>] {
        state.conflicts.quarantined(in: segment).map(\.sequences)
    }

    /// The next segment of the log, of the hub's stream that is written.
    ///
    /// - Parameter isCounted: whether a checkpoint has what its events moved: then they only change
    ///   the state.
    /// - Returns: nil where all is well.
    package mutating func replay<Log: ReplayedLog>(
        hub sealed: SealedSegment, isCounted: Bool, _ log: Log
    ) throws(Log.Failure) -> Trouble? {
        let hub = sealed.segment.header.stream
        for read in sealed.segment.hubEvents() {
            switch read {
            case .unreadable(let sequence, let error):
                return .unreadable(HubEventID(hub: hub, sequence: sequence), error)
            case .event(let event):
                if case .released(let span) = event.content.fact, !isCounted,
                    let trouble = try release(span, sealed, log)
                {
                    return trouble
                }
                state.apply(event)
            }
        }
        return nil
    }

    private mutating func release<Log: ReplayedLog>(
        _ span: EventSpan, _ hub: SealedSegment, _ log: Log
    ) throws(Log.Failure) -> Trouble? {
        // What was released before it was merged is merged as any other.
        guard let segment = try log.segment(of: span, before: hub) else { return nil }
        let names = try log.names(of: span.stream, leadingTo: segment.header.dictionary)
        return release([span], segment, names) ? nil : .unreleasable(span)
    }

    /// Gives the events of these spans that are in quarantine their effect, all or none.
    ///
    /// - Parameter segment: that all of the spans are in.
    mutating func release(
        _ spans: [EventSpan], _ segment: Segment, _ names: [Definition?]
    ) -> Bool {
        let before = ledger
        for span in spans {
            for part in quarantined(span.segment) where part.overlaps(span.sequences) {
                let sequences = part.clamped(to: span.sequences)
                guard ledger.release(sequences, of: segment, names: names) else {
                    ledger = before
                    return false
                }
            }
        }
        return true
    }
}
