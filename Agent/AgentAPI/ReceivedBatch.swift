import AgentCore
import HTTPSupport
import SyncProtocol
import TextFormats

/// A batch as a client writes it: each item a transaction, or why it is none.
struct ReceivedBatch {
    enum Key: String, JSONMember {
        case transactions, atomic
        case idempotencyKey = "idempotency_key"
        static let table = JSONMemberTable<Self>(required: [.transactions])
    }

    private(set) var items: [Result<ReceivedTransaction, JSONError>] = []
    private(set) var isAtomic = false
    /// Of the whole batch.
    private(set) var key: String?
    /// There are more items than are read.
    private(set) var isTooLong = false

    init(json: inout JSONReader, countMax: Int) throws(JSONError) {
        var members = try json.object(of: Key.self)
        while let member = try json.next(&members) {
            switch member {
            case .transactions: try readItems(&json, countMax)
            case .atomic: isAtomic = try json.boolean()
            case .idempotencyKey: key = try json.idempotencyKey()
            }
        }
    }

    private mutating func readItems(_ json: inout JSONReader, _ countMax: Int) throws(JSONError) {
        var elements = try json.array()
        while try json.next(&elements) {
            guard items.count < countMax else {
                isTooLong = true
                try json.skip()
                continue
            }
            items.append(
                try json.recovering { (json) throws(JSONError) in
                    try ReceivedTransaction(json: &json)
                })
        }
    }

    /// The items of a batch that is not atomic.
    ///
    /// - Parameter header: the key that came with the request.
    func requireSeparateItems(_ header: String?, countMax: Int) throws(Problem) {
        guard !isTooLong else { throw .tooMany("batch", countMax: countMax) }
        let name = key != nil ? "idempotency_key" : header != nil ? "Idempotency-Key" : nil
        guard let name else { return }
        throw .invalid(
            name, "is for atomic batches; give each transaction its own idempotency_key")
    }

    /// The items of an atomic batch, with its key.
    ///
    /// - Throws: `Problem` naming everything that is wrong with any of them.
    func group(_ header: String?) throws(Problem) -> ClientGroup {
        guard !isTooLong, items.count <= SegmentHeader.groupEventsMax else {
            throw .tooMany("atomic batch", countMax: SegmentHeader.groupEventsMax)
        }
        if let key, let header, !key.utf8.elementsEqual(header.utf8) {
            throw .invalid("idempotency_key", "is another one than that of the header")
        }
        var requests: [ClientRequest] = []
        var parts: [Problem.Part] = []
        for (index, item) in items.enumerated() {
            switch item {
            case .failure(let error):
                parts.append(Problem.Part(path: error.path, message: error.message))
            case .success(let received) where received.key != nil:
                let message = "is not for an item of an atomic batch, which has one for all of it"
                parts.append(
                    Problem.Part(
                        path: "transactions[\(index)].idempotency_key", message: message))
            case .success(let received): requests.append(ClientRequest(form: received.form))
            }
        }
        guard parts.isEmpty else { throw .refusedGroup(parts) }
        guard !requests.isEmpty else {
            throw .invalid("transactions", "must have at least one transaction to be atomic")
        }
        return ClientGroup(requests: requests, key: key ?? header)
    }
}

extension Problem {
    /// One bad item refuses the whole of an atomic batch.
    static func refusedGroup(_ parts: [Part]) -> Problem {
        let more = parts.count > 1 ? ", and \(parts.count - 1) more as errors lists" : ""
        return Problem(
            .invalidField,
            "\(parts[0].path) \(parts[0].message)\(more); nothing of the atomic batch was recorded",
            errors: parts)
    }

    static func tooMany(_ what: String, countMax: Int) -> Problem {
        Problem(
            .tooLarge, "it has more than \(countMax) transactions, the limit for one \(what)",
            members: [Member("limit_transactions", .integer(Int64(countMax)))])
    }
}
