import Foundation
import Synchronization
import Workload

/// Feeds operations to one agent, as a client that loses nothing: in order, each under its own key, and again
/// until there is an answer.
///
/// Works on a thread of its own. What the agent refuses is recorded, and the rest goes on.
package final class Feeder: Sendable {
    /// What has become of the operations so far.
    package struct Progress: Sendable {
        package var accepted = 0
        /// The id of the last transaction that was accepted.
        package var lastID: String?
        /// How often an answer was lost or the agent asked to wait, and the same was sent again.
        package var retries = 0
        /// The operations that were refused, the first ones of them.
        package var refusals: [String] = []
        package var refused = 0
        /// Why it gave up; nil while it works and when it is done.
        package var failure: String?
        package var isOver = false
    }

    static let refusalsKept = 20

    private let agent: AgentClient
    private let operations: [Workload.Operation]
    private let due: @Sendable (Int) -> Duration
    private let batch: Int
    private let patience: Duration
    private let state = Mutex(Progress())
    private let stopped = DispatchSemaphore(value: 0)
    private let isStopping = Mutex(false)
    private let ended = DispatchGroup()

    /// - Parameters:
    ///   - batch: how many operations are sent together, at most.
    ///   - patience: how long one batch may remain without an answer.
    ///   - due: when the operation with this index may be sent, counted from the start, never falling.
    package init(
        _ agent: AgentClient, _ operations: [Workload.Operation], batch: Int = 200,
        patience: Duration = .seconds(60),
        due: @escaping @Sendable (Int) -> Duration = { _ in .zero }
    ) {
        precondition(batch > 0, "a batch of nothing")
        self.agent = agent
        self.operations = operations
        self.batch = batch
        self.patience = patience
        self.due = due
    }

    package var total: Int { operations.count }
    package var progress: Progress { state.withLock { $0 } }

    package func start() {
        ended.enter()
        detachThread(named: "feeder") {
            self.run()
            self.state.withLock { $0.isOver = true }
            self.ended.leave()
        }
    }

    /// Ends it before its time, after the batch that is under way.
    package func stop() {
        isStopping.withLock { $0 = true }
        stopped.signal()
    }

    /// Waits until it is over.
    package func wait(within limit: Duration) throws -> Progress {
        guard ended.wait(timeout: .now() + limit.inSeconds) == .success else {
            throw TimedOut(what: "\(total) operations fed", limit: limit)
        }
        return progress
    }

    private func run() {
        let start = ContinuousClock.now
        var next = 0
        while next < operations.count, waitUntilDue(start + due(next)) {
            let now = ContinuousClock.now
            var end = next + 1
            while end < min(operations.count, next + batch), start + due(end) <= now { end += 1 }
            guard send(operations[next..<end]) else { return }
            next = end
        }
    }

    /// False when it is to stop.
    private func waitUntilDue(_ moment: ContinuousClock.Instant) -> Bool {
        let left = moment - .now
        if left > .zero { _ = stopped.wait(timeout: .now() + left.inSeconds) }
        return !isStopping.withLock { $0 }
    }

    /// False when it gives up.
    private func send(_ part: ArraySlice<Workload.Operation>) -> Bool {
        let deadline = Deadline(in: patience)
        var last = "the agent asks to come back later"
        while true {
            do {
                if let receipts = try agent.postBatch(part) {
                    record(part, receipts)
                    return true
                }
            } catch let error as NoAnswer {
                last = "\(error)"
            } catch {
                state.withLock { $0.failure = "\(error)" }
                return false
            }
            state.withLock { $0.retries += 1 }
            if deadline.isPast || !waitUntilDue(.now + .milliseconds(50)) {
                state.withLock { $0.failure = "no answer for \(patience): \(last)" }
                return false
            }
        }
    }

    private func record(_ part: ArraySlice<Workload.Operation>, _ receipts: [Receipt]) {
        state.withLock { progress in
            for (operation, receipt) in zip(part, receipts) {
                if receipt.isAccepted {
                    progress.accepted += 1
                    progress.lastID = receipt.transaction?.id ?? progress.lastID
                    continue
                }
                progress.refused += 1
                guard progress.refusals.count < Self.refusalsKept else { continue }
                let reason = receipt.problem?.detail ?? receipt.problem?.code ?? "no reason given"
                progress.refusals.append("operation \(operation.n): \(receipt.status), \(reason)")
            }
        }
    }
}
