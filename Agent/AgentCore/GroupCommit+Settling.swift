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

    // MARK: Promises

    /// Between two commits, when nothing is admitted that is not written. The promise is written
    /// with the next commit, or soon: like acknowledgements, it may wait a little for company.
    private mutating func promiseTimes(_ now: ClockReading) -> [Effect] {
        var effects: [Effect] = []
        var kept: [Promise] = []
        for var promise in promises {
            if promise.time == nil {
                let place = promise.acknowledged
                guard !isSpent, place.stream == admission.stream,
                    let time = admission.promiseTime(
                        acknowledged: place.sequence, now: now.wall)
                else {
                    effects.append(.report(.promised(nil, acknowledged: place)))
                    continue
                }
                promise.time = time
                pending.clock = max(pending.clock ?? time, time)
                pendingSince = pendingSince ?? now.steady
            }
            kept.append(promise)
        }
        promises = kept
        return effects
    }

    mutating func keptPromises() -> [Effect] {
        let made = promises.filter { $0.time != nil }
        promises.removeAll { $0.time != nil }
        return made.map { .report(.promised($0.time, acknowledged: $0.acknowledged)) }
    }
}
