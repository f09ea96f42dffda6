import LedgerCore
import SyncProtocol

/// Folds a log in its order, from a checkpoint on or from its beginning.
///
/// **Function.** `countIn` the hub's segments that the checkpoint counts in, in their order; `add` all
/// segments behind it; then `finish`. Each says what this version cannot read of what it was given.
package struct LogReplay<Log: ReplayedLog> {
    private var fold: HubFold
    private let log: Log
    /// The hub's streams in their order, and how many of them have begun.
    private let hubs: [StreamTag]
    private var begun = 0

    /// - Parameters:
    ///   - hubs: the streams of the hub, in the order in which it wrote them.
    ///   - balances: those of the checkpoint; none for a replay from the beginning.
    package init(
        _ log: Log, hubs: [StreamTag], balances: Balances = Balances(),
        counts: GlobalLedger.Counts = GlobalLedger.Counts()
    ) {
        self.log = log
        self.hubs = hubs
        fold = HubFold(ledger: GlobalLedger(balances: balances, counts: counts))
    }

    /// What a checkpoint counts in, it does not say of the hub.
    package mutating func countIn(hub sealed: SealedSegment) throws(Log.Failure) -> HubFold.Trouble?
    {
        try add(hub: sealed, isCounted: true)
    }

    package mutating func add(_ sealed: SealedSegment) throws(Log.Failure) -> HubFold.Trouble? {
        if hubs.contains(sealed.segment.header.stream) {
            return try add(hub: sealed, isCounted: false)
        }
        return try fold.replay(sealed, log)
    }

    private mutating func add(
        hub sealed: SealedSegment, isCounted: Bool
    ) throws(Log.Failure) -> HubFold.Trouble? {
        begin(through: hubs.firstIndex(of: sealed.segment.header.stream) ?? 0)
        return try fold.replay(hub: sealed, isCounted: isCounted, log)
    }

    private mutating func begin(through last: Int) {
        while begun <= last {
            fold.state.begin(hubs[begun])
            begun += 1
        }
    }

    /// - Parameter ends: of all branches: what the names are needed of.
    package mutating func finish(
        _ ends: [(stream: StreamTag, dictionary: DictionaryState)]
    ) throws(Log.Failure) -> HubFold {
        begin(through: hubs.count - 1)
        for end in ends {
            try fold.restoreNames(of: end.stream, leadingTo: end.dictionary, log)
        }
        return fold
    }

    /// What the hub's events so far add up to.
    package var state: HubState { fold.state }
}
