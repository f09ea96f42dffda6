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
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "\(text) is no time"))
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
        text = try (try? container.decode(Int64.self)).map(String.init) ?? container.decode(String.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let number = Int64(text) { try container.encode(number) } else { try container.encode(text) }
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
    var accepted_at: Moment
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
        var published_at: Moment?
        var attempt: UInt64
        var acknowledged_at: Moment
        var received_at: Moment
        var committed_at: Moment
        var position: UInt64?
        var waited_for: String
    }

    var transaction: TransactionAnswer
    var agent: String
    var accepted_at: Moment
    var durable_at: Moment
    var segment: SegmentAnswer
    var receipt: Receipt?
}

/// `GET /v1/transactions/{id}` of an aggregator.
struct MergedAnswer: Codable {
    var id: String
    var accepted_at: Moment
    var reference: String?
    var postings: [TransactionAnswer.Posting]
    var position: Int64
    var segment: SegmentAnswer
    var published_at: Moment?
    var attempt: UInt64
    var received_at: Moment?
    var merged_at: Moment
}

/// `GET /v1/sync` of an agent.
struct SyncAnswer: Codable {
    struct Backlog: Codable {
        var count: UInt64
        var bytes: UInt64
        var oldest_at: Moment?
    }

    var agent: String
    var connected: Bool
    var session: String
    var broker: String
    var reason: String?
    var since: Moment?
    var last_error: String?
    var attempts: UInt64
    var next_attempt_at: Moment?
    var stream: String
    var head: UInt64
    var acked: UInt64
    var backlog: Backlog
    var last_ack_at: Moment?
    var now: Moment
}

/// `GET /v1/agents` of an aggregator.
struct FleetAnswer: Codable {
    struct Stream: Codable {
        var stream: String
        var standing: String
        var announced: UInt64
        var merged: UInt64
    }

    struct Agent: Codable {
        var id: String
        var state: String
        var online: Bool
        var backlog: UInt64
        var streams: [Stream]
        var version: String
        var last_seen_at: Moment?
        var last_ack_at: Moment?
        var clock_offset_seconds: Double?
        var set_aside: UInt64
    }

    var items: [Agent]
    var next: String?
}

/// `GET /v1/ledger` of an aggregator.
struct LedgerAnswer: Codable {
    struct Violation: Codable {
        var account: String
        var asset: String
        var stored_input: WholeNumber
        var stored_output: WholeNumber
        var log_input: WholeNumber
        var log_output: WholeNumber
    }

    var transactions: UInt64
    var events: UInt64
    var set_aside: UInt64
    var conserved: Bool?
    var violations: [Violation]
    var unbalanced_assets: [String]
    var audited_through: Int64
    var position: Int64
    var digest: String
}
