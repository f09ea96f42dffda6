/// A hybrid logical time (Kulkarni et al. 2014): 52 bits of microseconds since 1970 and a counter
/// of 12 bits that tells apart what happened within one. It orders displays and statements, never
/// money.
package struct HybridTimestamp: Hashable, Comparable, Sendable {
    package static let counterBits: UInt64 = 12
    /// The latest moment a clock is believed to show, in 2112. What is left above it, 2⁴⁴ ticks,
    /// lets a stream whose clock once stood too far ahead count on.
    package static let microsecondsMax = Int64(1) << 52 - Int64(1) << 32

    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The first hybrid time of a moment. A clock before 1970 or after 2112 is taken as the nearest
    /// time that fits.
    package init(_ time: Timestamp) {
        let microseconds = min(max(time.microseconds, 0), HybridTimestamp.microsecondsMax)
        rawValue = UInt64(microseconds) << HybridTimestamp.counterBits
    }

    /// The wall-clock part.
    package var time: Timestamp {
        Timestamp(microseconds: Int64(rawValue >> HybridTimestamp.counterBits))
    }

    package static func < (left: HybridTimestamp, right: HybridTimestamp) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// The clock that makes hybrid times for one stream: each is later than the one before, whatever
/// the wall clock does.
package struct HybridClock: Sendable {
    package private(set) var latest: HybridTimestamp

    /// - Parameter latest: the last time this stream gave out, so that a restart never goes back.
    package init(latest: HybridTimestamp = HybridTimestamp(rawValue: 0)) {
        self.latest = latest
    }

    /// The time of an event that happens now.
    package mutating func tick(now: Timestamp) -> HybridTimestamp {
        precondition(latest.rawValue < UInt64.max, "the hybrid clock has run out")
        latest = max(HybridTimestamp(rawValue: latest.rawValue + 1), HybridTimestamp(now))
        return latest
    }

    /// Another clock, which this one follows, stood there: what happens from now on is later.
    package mutating func observe(_ time: HybridTimestamp) {
        latest = max(latest, time)
    }
}
