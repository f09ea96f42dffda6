import Dispatch
import Synchronization

/// What other threads hand to one worker: bounded, in order, taken in bulk.
///
/// The worker is woken only if it waits: whoever posts while it works costs it nothing.
package final class Mailbox<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isClosed = false
        var isWaiting = false
    }

    private let capacity: Int
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)

    /// - Parameter capacity: how many items may wait; one more is refused.
    package init(capacity: Int) {
        precondition(capacity > 0, "a mailbox holds at least one item")
        self.capacity = capacity
    }

    package enum Posted: Sendable {
        case taken
        case full
        case closed
    }

    /// Hands an item over; never blocks for longer than a few instructions.
    @discardableResult
    package func post(_ item: Item) -> Posted {
        let (posted, mustWake) = state.withLock { state -> (Posted, Bool) in
            if state.isClosed { return (.closed, false) }
            if state.items.count >= capacity { return (.full, false) }
            state.items.append(item)
            defer { state.isWaiting = false }
            return (.taken, state.isWaiting)
        }
        if mustWake { wakeUp.signal() }
        return posted
    }

    /// No item is taken any more; what waits is still handed out.
    package func close() {
        let mustWake = state.withLock { state in
            state.isClosed = true
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if mustWake { wakeUp.signal() }
    }

    /// All items that wait, in order; waits for one if there are none.
    ///
    /// - Parameter patience: how long to wait at most; nil for as long as it takes.
    /// - Returns: empty when the time has passed, nil when the mailbox is closed and empty.
    package func take(patience: Duration? = nil) -> [Item]? {
        while true {
            let (items, isClosed) = state.withLock { state -> ([Item], Bool) in
                var items: [Item] = []
                swap(&items, &state.items)
                state.isWaiting = items.isEmpty && !state.isClosed
                return (items, state.isClosed)
            }
            if !items.isEmpty { return items }
            if isClosed { return nil }
            guard let patience else {
                wakeUp.wait()
                continue
            }
            if wakeUp.wait(timeout: .now() + patience.dispatchInterval) == .timedOut, stopWaiting()
            {
                return []
            }
        }
    }

    /// - Returns: false where somebody has just raised the semaphore: it must be lowered again.
    private func stopWaiting() -> Bool {
        let wasWaiting = state.withLock { state in
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if !wasWaiting { wakeUp.wait() }
        return wasWaiting
    }
}

extension Duration {
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = components
        return .nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
    }
}
