import Synchronization

/// What only one test at a time may have. Those that wait give their thread back: the pool that
/// tests run on has no more threads than the machine has cores, and whoever has the turn may need
/// one to end it.
package final class Turn: Sendable {
    /// The power that the file system of `PowerCutVFS` cuts: one state for the process.
    package static let atThePower = Turn()

    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    private init() {}

    package func begin() async {
        await withCheckedContinuation { continuation in
            let isMine = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(continuation)
                    return false
                }
                state.isTaken = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    package func end() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.waiting.isEmpty {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
