import Foundation
import TextFormats

/// A moment as the APIs write it.
struct Moment: Codable, Comparable {
    /// Since 1970.
    let microseconds: Int64

    init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let microseconds = RFC3339.microseconds(text) else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath, debugDescription: "\(text) is no time"))
        }
        self.microseconds = microseconds
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(RFC3339.text(microseconds: microseconds))
    }

    static func < (left: Moment, right: Moment) -> Bool { left.microseconds < right.microseconds }
    static func - (left: Moment, right: Moment) -> Int64 { left.microseconds - right.microseconds }
}

/// An integer that may come as a string, as all beyond 2⁵³ do.
struct WholeNumber: Codable {
    let text: String

    init(_ number: Int64) {
        text = String(number)
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        text =
            try (try? container.decode(Int64.self)).map(String.init)
            ?? container.decode(String.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let number = Int64(text) {
            try container.encode(number)
        } else {
            try container.encode(text)
        }
    }
}

struct TransactionAnswer: Codable {
    struct Posting: Codable {
        var source: String
        var destination: String
        var asset: String
        var amount: WholeNumber
    }

    var id: String
    var status: String
    var acceptedAt: Moment
    var reference: String?
    var postings: [Posting]
}

struct SegmentAnswer: Codable {
    var first: UInt64
    var count: UInt64
}

/// `GET /v1/transactions/{id}/journey` of an agent.
struct AgentJourneyAnswer: Codable {
    struct Receipt: Codable {
        var first: UInt64
        var through: UInt64
        var publishedAt: Moment?
        var attempt: UInt64
        var acknowledgedAt: Moment
        var receivedAt: Moment
        var committedAt: Moment
        var position: UInt64?
        var waitedFor: String?
    }

    var transaction: TransactionAnswer
    var agent: String
    var acceptedAt: Moment
    var durableAt: Moment
    var segment: SegmentAnswer
    var receipt: Receipt?
}

/// `GET /v1/transactions/{id}` of an aggregator.
struct MergedAnswer: Codable {
    var id: String
    var acceptedAt: Moment
    var reference: String?
    var postings: [TransactionAnswer.Posting]
    var position: Int64
    var segment: SegmentAnswer
    var publishedAt: Moment?
    var attempt: UInt64
    var receivedAt: Moment?
    var mergedAt: Moment
}

/// `GET /v1/sync` of an agent.
struct SyncAnswer: Codable {
    struct Backlog: Codable {
        var count: UInt64
        var bytes: UInt64
        var oldestAt: Moment?
    }

    struct Storage: Codable {
        /// The first event that is still on the device.
        var oldestRetained: UInt64
    }

    var agent: String
    var connected: Bool
    var session: String
    var broker: String
    var reason: String?
    var since: Moment?
    var lastError: String?
    var attempts: UInt64
    var nextAttemptAt: Moment?
    var stream: String
    var head: UInt64
    var acked: UInt64
    var backlog: Backlog
    var storage: Storage
    var lastAckAt: Moment?
    var now: Moment
}

/// `GET /v1/agents` of an aggregator.
struct FleetAnswer: Codable {
    /// Events that neither the ledger nor the device has any more.
    struct Lacking: Codable {
        var first: UInt64
        var through: UInt64
        /// `pruned` or `unreadable`: why the device has not.
        var cause: String
    }

    struct Stream: Codable {
        var stream: String
        var standing: String
        var announced: UInt64
        var merged: UInt64
        var current: Bool
        var lacking: Lacking?
        var openConflicts: UInt64
        var branches: [BranchAnswer]
        var gaps: [Gap]
    }

    /// Events that nobody has any more.
    struct Gap: Codable {
        var first: UInt64
        var last: UInt64
        var status: String
    }

    struct Agent: Codable {
        var id: String
        var state: String
        var online: Bool
        var backlog: UInt64
        var streams: [Stream]
        var version: String
        var lastSeenAt: Moment?
        var offlineSince: Moment?
        var lastAckAt: Moment?
        var clockOffsetSeconds: Double?
        var setAside: UInt64

        /// The one that it writes, as far as the aggregator has heard.
        var currentStream: String? { (streams.first(where: \.current) ?? streams.last)?.stream }
    }

    var items: [Agent]
    var next: String?
}

/// `GET /v1/ledger/completeness` of an aggregator.
struct CompletenessAnswer: Codable {
    struct Laggard: Codable {
        var agent: String
        var completeThrough: Moment?
        var backlog: UInt64
        var cause: String
        var since: Moment?
        var clockOffsetSeconds: Double?
        var stream: String?
    }

    var liveAgents: Int
    var completeThrough: Moment?
    var completeThroughWithoutThem: Moment?
    var heldBackByCount: Int
    var heldBackBy: [Laggard]
}

/// `GET /v1/ledger` of an aggregator.
struct LedgerAnswer: Codable {
    struct Violation: Codable {
        var account: String
        var asset: String
        var storedInput: WholeNumber
        var storedOutput: WholeNumber
        var logInput: WholeNumber
        var logOutput: WholeNumber
    }

    var transactions: UInt64
    var events: UInt64
    var setAside: UInt64
    var conserved: Bool?
    var violations: [Violation]
    var unbalancedAssets: [String]
    var auditedThrough: Int64
    var position: Int64
    var digest: String
}
