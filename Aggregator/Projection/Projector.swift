import Glibc
import Logging
import SegmentStore
import Workers

/// The thread that fills the projection: it follows the log at a low priority, so that neither the
/// intake nor a reader waits for it.
package final class Projector: Sendable {
    private let mailbox = Mailbox<Void>(capacity: 1)
    private let thread: WorkerThread

    /// Starts at once; the file is opened, or made anew, on the thread.
    package init(_ projection: Projection, following source: any LogSource, logger: Logger) {
        thread = WorkerThread("projector") { [mailbox] in
            Projector.yieldToOthers()
            var follower = Follower(projection, source, logger)
            Projector.run(&follower, mailbox, projection.limits, logger)
            follower.close()
        }
    }

    package func stop() {
        mailbox.close()
        _ = thread.join(atMost: .seconds(5))
    }

    private static func run(
        _ follower: inout Follower, _ mailbox: Mailbox<Void>, _ limits: ProjectionLimits,
        _ logger: Logger
    ) {
        var lastFailure = ""
        var patience = Duration.zero
        while mailbox.take(patience: patience) != nil {
            let start = ContinuousClock.now
            do throws(StoreError) {
                let outcome = try follower.step()
                // While the intake works, no more than half of a processor.
                let pause = follower.isLogGrowing ? ContinuousClock.now - start : .zero
                patience = outcome == .behind ? pause : limits.rest
                lastFailure = ""
            } catch {
                patience = limits.restAfterFailure
                guard error.description != lastFailure else { continue }
                lastFailure = error.description
                logger.error(
                    "the projection does not advance", metadata: ["store.error": "\(error)"])
            }
        }
    }

    /// The last to be served where the processors are short. On Linux a thread has a niceness of its
    /// own (setpriority(2), "C library/kernel differences").
    private static func yieldToOthers() {
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
    }
}
