import LedgerCore
import SyncProtocol

extension GroupCommit {
    /// After each turn, when nothing is admitted that is not written: the folds are what is durable.
    package mutating func settle(now: ClockReading) -> [Effect] {
        takeSnapshots(now.steady) + promiseTimes(now)
    }

    private mutating func takeSnapshots(_ now: SteadyTime) -> [Effect] {
        guard !snapshots.isEmpty else { return [] }
        var effects: [Effect] = []
        for (snapshot, session) in snapshots {
            // The folder went on in another stream since, or has to be read anew.
            guard !isSpent, snapshot.stream == admission.stream else {
                effects.append(unusable(snapshot, session))
                continue
            }
            switch merged.take(
                snapshot, stream: admission.stream, own: admission.balances, tail: &tail,
                dictionary: admission.dictionary)
            {
            case .tooFarBehind?: effects.append(unusable(snapshot, session))
            case .impossible?: effects.append(.refused(snapshot))
            case nil: break
            }
        }
        snapshots.removeAll(keepingCapacity: true)
        if !merged.staged.isEmpty { stagedSince = stagedSince ?? now }
        return effects
    }

    func unusable(_ snapshot: AccountSnapshot, _ session: UInt64) -> Effect {
        .report(
            .unusable(
                snapshot: snapshot.number, session: session,
                of: snapshot.stream ?? admission.stream))
    }
}
