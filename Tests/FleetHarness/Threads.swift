import Foundation

/// Runs blocking work on a thread of its own, and waits for it without blocking the caller's.
///
/// Everything in this library blocks: it is written for threads, because a fleet of processes, sockets and
/// deadlines is plain that way. An `async` test calls it through here, so that no thread of the
/// cooperative pool ever waits. The work is still part of the caller's task: what `#expect` finds in it is
/// a finding of that test.
package func onThread<Answer: Sendable>(
    _ body: @Sendable () throws -> Answer
) async throws -> Answer {
    try await withTaskExecutorPreference(ThreadExecutor()) {
        try body()
    }
}

/// Gives each job of a task a thread of its own.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        detachThread(named: "work") {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}

/// Starts a thread that nobody waits for. Its stack is that of the main thread: JSON may be deep.
func detachThread(named name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.name = name
    thread.stackSize = 8 << 20
    thread.start()
}
