import Glibc
import LedgerCore

/// A clock that nobody sets, for spans of time that must not depend on what the wall clock says.
package enum SteadyClock {
    /// Since the device was started, the time in which it slept included.
    package static func now() -> SteadyTime {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return SteadyTime(
            microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

extension ClockReading {
    /// What the clocks of this device say.
    package static func now() -> ClockReading {
        ClockReading(wall: WallClock.now(), steady: SteadyClock.now())
    }
}
