import Dispatch
import Foundation

/// A thread of our own, for work that blocks or that must have one owner. It takes no signals from
/// the pool's threads and none of the pool's threads' time.
package final class WorkerThread: Sendable {
    private let ended = DispatchGroup()

    /// Starts at once.
    ///
    /// - Parameter name: for debuggers and `top -H`; the system keeps 15 bytes.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        ended.enter()
        let thread = Thread { [ended] in
            body()
            ended.leave()
        }
        thread.name = name
        thread.stackSize = WorkerThread.stackBytes
        thread.start()
    }

    /// What SQLite and our own code need, several times over.
    private static let stackBytes = 1 << 20

    /// Waits for the body to return.
    ///
    /// - Returns: false where it has not, within the time.
    package func join(atMost limit: DispatchTimeInterval) -> Bool {
        ended.wait(timeout: .now() + limit) == .success
    }
}
