import Glibc

/// A moment on the monotonic clock after which nobody waits any more.
package struct Deadline: Sendable {
    private let end: ContinuousClock.Instant

    package init(in duration: Duration) {
        end = .now + duration
    }

    /// What is left, and zero when it is past.
    package var remaining: Duration { max(.zero, end - .now) }
    package var isPast: Bool { end <= .now }
}

/// A condition that did not come true in time.
package struct TimedOut: Error, CustomStringConvertible {
    package var what: String
    package var limit: Duration
    /// The last error that the condition threw, if it threw.
    package var last: (any Error)?

    package init(what: String, limit: Duration, last: (any Error)? = nil) {
        self.what = what
        self.limit = limit
        self.last = last
    }

    package var description: String {
        let reason = last.map { ": \($0)" } ?? ""
        return "\(what): not within \(limit)\(reason)"
    }
}

/// Asks again and again until there is an answer.
///
/// An error of the condition is not the end: a daemon that restarts refuses connections for a while. It is
/// reported when time is up. Blocks its thread: see ``onThread(_:)``.
///
/// - Parameter what: what is waited for, for the message of ``TimedOut``.
package func wait<Answer>(
    for what: String, within limit: Duration, every interval: Duration = .milliseconds(20),
    _ condition: () throws -> Answer?
) throws -> Answer {
    let deadline = Deadline(in: limit)
    var last: (any Error)?
    while true {
        do {
            if let answer = try condition() { return answer }
            last = nil
        } catch let fatal as Unrecoverable {
            throw fatal
        } catch {
            last = error
        }
        if deadline.isPast { throw TimedOut(what: what, limit: limit, last: last) }
        pause(min(interval, deadline.remaining))
    }
}

/// Waits until the condition is true. See ``wait(for:within:every:_:)``.
package func waitUntil(
    _ what: String, within limit: Duration, every interval: Duration = .milliseconds(20),
    _ condition: () throws -> Bool
) throws {
    try wait(for: what, within: limit, every: interval) { try condition() ? () : nil }
}

/// An error after which asking again is in vain: a process that was to become ready has ended.
package struct Unrecoverable: Error, CustomStringConvertible {
    package var description: String
}

/// The interval between two questions of a condition. Nothing else may wait for mere time.
private func pause(_ duration: Duration) {
    _ = poll(nil, 0, duration.milliseconds)
}

extension Duration {
    /// Rounded up, so that a wait for the rest of a millisecond is a wait, and limited to what fits.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds < Int64(Int32.max / 1_000) else { return .max }
        return Int32(seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    /// For showing and for Foundation's interfaces.
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
