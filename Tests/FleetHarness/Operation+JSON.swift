import Foundation
import Workload

/// An operation as the body of a transaction.
struct TransactionBody: Encodable {
    struct PostingBody: Encodable {
        var source: String
        var destination: String
        var asset: String
        var amount: Int64
    }

    var postings: [PostingBody]
    var reference: String?
    var metadata: [String: String]?
    var occurredAt: String?
    var idempotencyKey: String?

    enum CodingKeys: String, CodingKey {
        case postings, reference, metadata
        case occurredAt = "occurred_at"
        case idempotencyKey = "idempotency_key"
    }

    init(_ operation: Workload.Operation, keyed: Bool) {
        postings = operation.postings.map {
            PostingBody(
                source: $0.source, destination: $0.destination, asset: $0.asset, amount: $0.amount)
        }
        reference = operation.reference.isEmpty ? nil : operation.reference
        metadata = operation.metadata.isEmpty ? nil : operation.metadata
        occurredAt = operation.at.map { MarketDay.timestamp(at: $0) }
        idempotencyKey = keyed ? operation.idempotencyKey : nil
    }
}

struct BatchBody: Encodable {
    var transactions: [TransactionBody]
}

struct GroupBody: Encodable {
    var transactions: [TransactionBody]
    var idempotencyKey: String
    var atomic = true

    enum CodingKeys: String, CodingKey {
        case transactions, atomic
        case idempotencyKey = "idempotency_key"
    }
}

extension Workload.Operation {
    /// The body of `POST /v1/transactions`.
    package func transactionJSON() throws -> [UInt8] {
        Array(try JSONEncoder().encode(TransactionBody(self, keyed: false)))
    }
}

extension Sequence<Workload.Operation> {
    /// As lines of NDJSON, each under its own key.
    package func linesJSON() throws -> [UInt8] {
        let encoder = JSONEncoder()
        return try flatMap {
            Array(try encoder.encode(TransactionBody($0, keyed: true))) + [UInt8(ascii: "\n")]
        }
    }

    /// The body of an atomic `POST /v1/transactions/batch` under one key.
    package func groupJSON(key: String) throws -> [UInt8] {
        let body = GroupBody(
            transactions: map { TransactionBody($0, keyed: false) }, idempotencyKey: key)
        return Array(try JSONEncoder().encode(body))
    }

    /// The body of `POST /v1/transactions/batch`, each item under its own key.
    package func batchJSON() throws -> [UInt8] {
        let body = BatchBody(transactions: map { TransactionBody($0, keyed: true) })
        return Array(try JSONEncoder().encode(body))
    }
}
