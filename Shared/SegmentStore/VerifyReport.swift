import LedgerCore

/// Something that `verify` found to be wrong, with its place.
package struct VerifyFinding: Hashable, Sendable, CustomStringConvertible {
    /// Nil where it is not about one stream.
    package var stream: StreamTag?
    /// Of the segment in the log.
    package var position: Int64?
    package var sequences: ClosedRange<UInt64>?
    /// Within the segment's bytes: the smallest range that is known to contain the damage.
    package var bytes: Range<Int>?
    package var what: String

    package init(
        _ what: String, stream: StreamTag? = nil, position: Int64? = nil,
        sequences: ClosedRange<UInt64>? = nil,
        bytes: Range<Int>? = nil
    ) {
        self.what = what
        self.stream = stream
        self.position = position
        self.sequences = sequences
        self.bytes = bytes
    }

    package var description: String {
        var places: [String] = []
        if let stream { places.append("stream \(stream)") }
        if let position { places.append("segment \(position)") }
        if let sequences {
            places.append("events \(sequences.lowerBound) to \(sequences.upperBound)")
        }
        if let bytes { places.append("bytes \(bytes.lowerBound) to \(bytes.upperBound - 1)") }
        return places.isEmpty ? what : places.joined(separator: ", ") + ": " + what
    }
}

/// What one asset adds up to over the whole log, in its smallest unit.
package struct VerifiedAsset: Hashable, Sendable {
    package let asset: Asset
    package let input: Int128
    package let output: Int128

    package var isConserved: Bool { input == output }
}

/// What `verify` looked at, and what it found.
package struct VerifyReport: Sendable {
    /// Findings kept; the rest are counted.
    package static let findingsMax = 1000

    package internal(set) var findings: [VerifyFinding] = []
    package internal(set) var findingCount = 0
    package internal(set) var streams = 0
    package internal(set) var segments: Int64 = 0
    package internal(set) var events: Int64 = 0
    /// Of segments.
    package internal(set) var bytes: Int64 = 0
    package internal(set) var accounts = 0
    /// Events that were pruned: they are in the balances, and not in the log.
    package internal(set) var prunedEvents: UInt64 = 0
    /// In the order of their names.
    package internal(set) var assets: [VerifiedAsset] = []
    /// Whether the checkpointed balances could be compared with the log: not where there are none
    /// yet, nor where a part of the log is no longer kept.
    package internal(set) var comparedBalances = false

    package var isSound: Bool { findingCount == 0 }

    /// Whether what went into accounts equals what went out, in every asset, as recomputed from the
    /// log, and the checkpointed balances are those of the log.
    package internal(set) var isConserved = true

    mutating func add(_ finding: VerifyFinding) {
        findingCount += 1
        if findings.count < VerifyReport.findingsMax { findings.append(finding) }
    }
}

/// How far a long `verify` has come.
package struct VerifyProgress: Hashable, Sendable {
    package enum Step: String, Sendable {
        case copying, checkingPages, readingLog, comparing
    }

    package let step: Step
    /// Segments read, and about how many there are.
    package let segments: Int64
    package let segmentsTotal: Int64
}
