import CMosquitto
import Glibc

/// An eventfd(2): something that a thread can wait for, together with sockets, and any thread can
/// raise.
final class WakeUp: Sendable {
    let descriptor: Int32

    init() {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(descriptor >= 0, "no descriptor left for an eventfd: errno \(errno)")
    }

    deinit {
        close(descriptor)
    }

    /// Makes the descriptor readable until `lower`. Never blocks: the counter is far from its end.
    func raise() {
        var one: UInt64 = 1
        write(descriptor, &one, 8)
    }

    func lower() {
        var count: UInt64 = 0
        read(descriptor, &count, 8)
    }

    /// Waits until it is raised, without lowering it: several threads may wait for one end.
    /// - Returns: whether it was raised in time.
    func wait(atMost duration: Duration) -> Bool {
        let deadline = ContinuousClock.now.advanced(by: duration)
        while true {
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let remaining = ContinuousClock.now.duration(to: deadline)
            if poll(&descriptors, 1, remaining.pollMilliseconds) > 0 { return true }
            if remaining <= .zero { return false }
        }
    }
}

extension Duration {
    /// For poll(2): rounded up, so that a deadline is over when poll returns; never negative.
    var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        let milliseconds =
            seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: max(0, milliseconds))
    }
}
