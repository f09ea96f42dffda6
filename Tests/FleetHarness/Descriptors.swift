import Glibc
import Synchronization

/// Makes file descriptors that no child inherits.
///
/// Where the system cannot make one closed-on-exec in a single call that Swift can see, making it and marking it
/// are two, and a process started between them would hold it open: a link could not be cut any more. So
/// both, and the start of a process, take one lock (as in Go's `syscall.ForkLock`).
package enum Descriptors {
    private static let lock = Mutex(())

    /// While this runs no process is started, unless by the body.
    static func withoutSpawning<Answer>(_ body: () throws -> Answer) rethrows -> Answer {
        try lock.withLock { _ in try body() }
    }

    /// The two ends of a pipe.
    static func pipe() throws -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [-1, -1]
        try withoutSpawning {
            guard Glibc.pipe(&ends) == 0 else { throw SystemError("pipe") }
            closeOnExec(ends[0])
            closeOnExec(ends[1])
        }
        return (ends[0], ends[1])
    }

    /// A connection that waits at a listener, or nil if none does.
    package static func accept(from listener: Int32) -> Int32? {
        withoutSpawning {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { return nil }
            closeOnExec(descriptor)
            return descriptor
        }
    }

    static func makeNonBlocking(_ descriptor: Int32) {
        let flags = fcntl(descriptor, F_GETFL)
        let result = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        precondition(flags >= 0 && result == 0, "fcntl on a descriptor of ours: errno \(errno)")
    }

    private static func closeOnExec(_ descriptor: Int32) {
        let result = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        precondition(result == 0, "fcntl on a descriptor of ours: errno \(errno)")
    }
}
