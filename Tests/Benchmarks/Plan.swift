import Foundation

/// How long and how much to measure, and where.
struct Plan: Sendable {
    let warmUp: Duration
    let measured: Duration
    /// Of the end-to-end benchmark.
    let transactions: Int
    let isQuick: Bool
    /// Where the daemons are.
    let binaries: String
    /// A folder for data and logs.
    let home: String

    /// A new folder for one benchmark.
    func folder(_ name: String) throws -> String {
        let path = "\(home)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

/// What does not add up: then no figure of it can be believed.
struct Implausible: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Nanoseconds on the monotonic clock.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension Duration {
    var nanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
    }

    var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
