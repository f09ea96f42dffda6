import Synchronization

/// A few threads for work that blocks, such as reading a database, so that the pool's threads never
/// do.
package final class ReaderThreads: Sendable {
    private typealias Work = @Sendable () -> Void

    private let mailboxes: [Mailbox<Work>]
    private let threads: [WorkerThread]
    private let turn = Atomic<Int>(0)

    /// - Parameters:
    ///   - name: for debuggers.
    ///   - count: how many threads; no more than the database has readers.
    ///   - capacity: how much work may wait for each.
    package init(_ name: String, count: Int, capacity: Int = 1024) {
        precondition(count > 0, "at least one thread reads")
        let mailboxes = (0..<count).map { _ in Mailbox<Work>(capacity: capacity) }
        self.mailboxes = mailboxes
        threads = mailboxes.map { mailbox in
            WorkerThread(name) {
                while let works = mailbox.take() {
                    for work in works { work() }
                }
            }
        }
    }

    /// Runs `body` on one of the threads, each in its turn.
    ///
    /// - Returns: nil where too much waits, or the threads are stopped.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        let (number, _) = turn.add(1, ordering: .relaxed)
        let mailbox = mailboxes[Int(UInt(bitPattern: number) % UInt(mailboxes.count))]
        return await withUnsafeContinuation { continuation in
            let posted = mailbox.post { continuation.resume(returning: body()) }
            if posted != .taken { continuation.resume(returning: nil) }
        }
    }

    package func stop() {
        for mailbox in mailboxes { mailbox.close() }
        for thread in threads { _ = thread.join(atMost: .seconds(5)) }
    }
}
