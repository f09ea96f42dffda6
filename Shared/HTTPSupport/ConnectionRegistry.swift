import NIOCore
import Synchronization

/// The connections that are open, so that one which nobody uses makes way for one that somebody
/// wants.
///
/// **Overview.** Whoever opens thousands of connections and says nothing must not keep others out.
/// Beyond the limit, a new connection takes the place of the one that has been at rest for longest,
/// which its client opens again when it needs it. Where none is at rest, the new one is refused.
///
/// **Invariant.** No request is lost by it: a connection that makes way takes no request any more
/// from the moment it is chosen, and one with a request under way is not chosen.
final class ConnectionRegistry: Sendable {
    /// One connection's entry, which its handler keeps up to date.
    final class Entry: Sendable {
        private static let isBusy: UInt64 = 0
        private static let makesWay = UInt64.max

        fileprivate let channel: any Channel
        /// Since when it has been at rest, in nanoseconds, or one of the two above.
        private let state: Atomic<UInt64>

        fileprivate init(_ channel: any Channel, now: UInt64) {
            self.channel = channel
            state = Atomic(max(now, 1))
        }

        /// A request begins.
        ///
        /// - Returns: false where the connection makes way for another: it takes no request.
        func begin() -> Bool {
            let before = state.load(ordering: .relaxed)
            guard before != Self.makesWay else { return false }
            return state.compareExchange(
                expected: before, desired: Self.isBusy, ordering: .relaxed
            ).exchanged
        }

        /// The answer is given; `now` in nanoseconds.
        func rest(now: UInt64) {
            _ = state.compareExchange(
                expected: Self.isBusy, desired: max(now, 1), ordering: .relaxed)
        }

        /// Nil while a request is under way, or where it makes way already.
        fileprivate var restingSince: UInt64? {
            let state = state.load(ordering: .relaxed)
            return state == Self.isBusy || state == Self.makesWay ? nil : state
        }

        fileprivate func makeWay(restingSince since: UInt64) -> Bool {
            state.compareExchange(expected: since, desired: Self.makesWay, ordering: .relaxed)
                .exchanged
        }
    }

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    private let connectionsMax: Int

    init(connectionsMax: Int) {
        self.connectionsMax = connectionsMax
    }

    /// A connection is opened; `now` in nanoseconds.
    ///
    /// - Returns: its entry; nil where it must be refused.
    func admit(_ channel: any Channel, now: UInt64) -> Entry? {
        let entry = Entry(channel, now: now)
        let (isAdmitted, leaving) = entries.withLock { entries -> (Bool, Entry?) in
            var leaving: Entry?
            if entries.count >= connectionsMax {
                leaving = Self.takeLongestAtRest(&entries)
                guard leaving != nil else { return (false, nil) }
            }
            entries[ObjectIdentifier(entry)] = entry
            return (true, leaving)
        }
        leaving?.channel.close(promise: nil)
        return isAdmitted ? entry : nil
    }

    private static func takeLongestAtRest(_ entries: inout [ObjectIdentifier: Entry]) -> Entry? {
        while true {
            let resting = entries.values.compactMap { entry in
                entry.restingSince.map { (entry: entry, since: $0) }
            }
            guard let longest = resting.min(by: { $0.since < $1.since }) else { return nil }
            // It may have begun a request a moment ago.
            guard longest.entry.makeWay(restingSince: longest.since) else { continue }
            entries[ObjectIdentifier(longest.entry)] = nil
            return longest.entry
        }
    }

    /// A connection is closed.
    func leave(_ entry: Entry) {
        entries.withLock { $0[ObjectIdentifier(entry)] = nil }
    }
}
