import Glibc
import Tracing

/// A moment on two clocks: the wall clock says when a span was, the monotonic one how long it took.
package struct SpanInstant: TracerInstant {
    /// By the wall clock.
    package let nanosecondsSinceEpoch: UInt64
    /// By the monotonic clock, in nanoseconds since some moment.
    package let monotonic: UInt64

    package init(nanosecondsSinceEpoch: UInt64, monotonic: UInt64) {
        self.nanosecondsSinceEpoch = nanosecondsSinceEpoch
        self.monotonic = monotonic
    }

    package static var now: SpanInstant {
        SpanInstant(nanosecondsSinceEpoch: read(CLOCK_REALTIME), monotonic: monotonicNow())
    }

    /// A moment of which only the monotonic time was read.
    package static func at(monotonic: UInt64) -> SpanInstant {
        let now = SpanInstant.now
        let passed = now.monotonic - min(monotonic, now.monotonic)
        return SpanInstant(
            nanosecondsSinceEpoch: now.nanosecondsSinceEpoch
                - min(passed, now.nanosecondsSinceEpoch),
            monotonic: monotonic)
    }

    /// Another clock's moment, as near as can be said.
    init(_ instant: some TracerInstant) {
        if let instant = instant as? SpanInstant {
            self = instant
            return
        }
        let now = SpanInstant.now
        let passed =
            now.nanosecondsSinceEpoch
            - min(instant.nanosecondsSinceEpoch, now.nanosecondsSinceEpoch)
        self.init(
            nanosecondsSinceEpoch: instant.nanosecondsSinceEpoch,
            monotonic: now.monotonic - min(passed, now.monotonic))
    }

    package static func < (left: SpanInstant, right: SpanInstant) -> Bool {
        left.monotonic < right.monotonic
    }

    package static func monotonicNow() -> UInt64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
