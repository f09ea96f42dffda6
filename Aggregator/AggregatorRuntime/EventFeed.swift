import AggregatorCore
import LedgerCore
import Synchronization
import Workers

/// What the intake thread tells the readers of events: that the log has grown, and how the fleet has
/// changed. They read the log itself from the store.
final class EventFeed: Sendable {
    let signal = ChangeSignal()
    private let stored: Mutex<FleetHistory>

    init(limits: AggregatorLimits) {
        stored = Mutex(
            FleetHistory(startedAt: WallClock.now(), countMax: limits.fleetChangesKept))
    }

    var history: FleetHistory { stored.withLock { $0 } }

    func changed(_ changes: [FleetChange]) {
        guard !changes.isEmpty else { return }
        stored.withLock { history in
            for change in changes { history.append(change) }
        }
        signal.signal()
    }
}
