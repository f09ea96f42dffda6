import Glibc

/// A clock that nobody sets, for spans of time that must not depend on what the wall clock says.
package enum SteadyClock {
    /// Microseconds since the device was started, those in which it slept included.
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
