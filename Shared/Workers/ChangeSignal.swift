import Synchronization

/// Says that something has changed, to whoever listens. What has changed they look up themselves.
///
/// With nobody listening it costs one load. A listener that is slow misses nothing: while it works,
/// any number of changes become one.
package final class ChangeSignal: Sendable {
    private struct State {
        var listeners: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var next: UInt64 = 0
        var isEnded = false
    }

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)

    package init() {}

    /// A change after this call is noticed. The sequence ends with the daemon, or with its reader.
    package func changes() -> AsyncStream<Void> {
        let (stream, listener) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state -> UInt64? in
            guard !state.isEnded else { return nil }
            state.next += 1
            state.listeners[state.next] = listener
            count.store(state.listeners.count, ordering: .sequentiallyConsistent)
            return state.next
        }
        guard let number else {
            listener.finish()
            return stream
        }
        listener.onTermination = { [weak self] _ in self?.remove(number) }
        return stream
    }

    package func signal() {
        guard count.load(ordering: .sequentiallyConsistent) > 0 else { return }
        for listener in state.withLock({ Array($0.listeners.values) }) { listener.yield() }
    }

    package func end() {
        let listeners = state.withLock { state in
            state.isEnded = true
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }

    private func remove(_ number: UInt64) {
        state.withLock { state in
            state.listeners[number] = nil
            count.store(state.listeners.count, ordering: .sequentiallyConsistent)
        }
    }
}
