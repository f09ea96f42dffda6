import AgentCore
import LedgerCore
import TextFormats

/// One transaction as a client writes it.
struct ReceivedTransaction: JSONReadable {
    enum Key: String, JSONMember {
        case postings, kind, reference, metadata
        case occurredAt = "occurred_at"
        case related
        case idempotencyKey = "idempotency_key"
        static let table = JSONMemberTable<Self>(required: [.postings])
    }

    private(set) var form: RequestForm
    /// The item's own key, in a batch.
    private(set) var key: String?

    init(json: inout JSONReader) throws(JSONError) {
        form = RequestForm(postings: [])
        var members = try json.object(of: Key.self)
        while let member = try json.next(&members) {
            switch member {
            case .postings: form.postings = try json.postings()
            case .kind:
                form.kind = try json.member { (json) throws(JSONError) in try json.transactionKind()
                }
            case .reference:
                form.reference = try json.member { (json) throws(JSONError) in
                    try json.string(bytesMax: Transaction.Limits.referenceBytesMax)
                }
            case .metadata:
                form.metadata = try json.member { (json) throws(JSONError) in try json.metadata() }
            case .occurredAt:
                form.occurredAt = try json.member { (json) throws(JSONError) in try json.sentTime()
                }
            case .related:
                form.related = try json.member { (json) throws(JSONError) in try json.eventID() }
            case .idempotencyKey: key = try json.idempotencyKey()
            }
        }
    }
}

extension JSONReader {
    fileprivate mutating func member<Value>(
        _ read: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Member<Value> {
        try null() ? .null : .value(try read(&self))
    }

    fileprivate mutating func postings() throws(JSONError) -> [Posting] {
        var postings: [Posting] = []
        var elements = try array()
        while try next(&elements) {
            guard postings.count < Transaction.Limits.postingsMax else {
                throw refusal(
                    "must have at most \(Transaction.Limits.postingsMax) postings",
                    at: elements.place)
            }
            postings.append(try posting())
        }
        guard !postings.isEmpty else {
            throw refusal("must have at least one posting", at: elements.place)
        }
        return postings
    }

    private enum PostingKey: String, JSONMember {
        case source, destination, asset, amount
        static let table = JSONMemberTable<Self>(required: [.source, .destination, .asset, .amount])
    }

    private mutating func posting() throws(JSONError) -> Posting {
        var source: AccountAddress?
        var destination: AccountAddress?
        var asset: Asset?
        var amount: Amount?
        var members = try object(of: PostingKey.self)
        while let member = try next(&members) {
            switch member {
            case .source: source = try account()
            case .destination: destination = try account()
            case .asset: asset = try assetValue()
            case .amount: amount = try amountValue()
            }
        }
        guard let source, let destination, let asset, let amount else {
            preconditionFailure("the reader let an object pass without its required members")
        }
        return Posting(source: source, destination: destination, asset: asset, amount: amount)
    }

    private mutating func account() throws(JSONError) -> AccountAddress {
        let text = try string(bytesMax: AccountAddress.lengthMax)
        do throws(InvalidValue) { return try AccountAddress(text) } catch {
            throw refusal("must be an account: \(error.description)")
        }
    }

    private mutating func assetValue() throws(JSONError) -> Asset {
        let text = try string(bytesMax: Asset.codeLengthMax + 3)
        do throws(InvalidValue) { return try Asset(text) } catch {
            throw refusal("must be an asset: \(error.description)")
        }
    }

    private static let amountRule =
        "must be a whole number of the asset's smallest unit, from 1 to \(Int64.max)"

    private mutating func amountValue() throws(JSONError) -> Amount {
        let units = try integerOrText(beyond: Self.amountRule)
        do throws(InvalidValue) { return try Amount(units) } catch {
            throw refusal("\(Self.amountRule), not \(units)")
        }
    }

    fileprivate mutating func transactionKind() throws(JSONError) -> TransactionKind {
        let name = try string(bytesMax: 32)
        guard name == TransactionKind.transfer.name else {
            throw refusal(
                "must be \"transfer\", the only kind so far, not \(name.quotedForMessage)")
        }
        return .transfer
    }

    fileprivate mutating func metadata() throws(JSONError) -> [MetadataPair] {
        var pairs: [MetadataPair] = []
        var members = try object(countMax: Transaction.Limits.metadataPairsMax)
        let start = members.members.place
        while let name = try next(&members) {
            pairs.append(
                MetadataPair(
                    name: name, value: try string(bytesMax: Transaction.Limits.metadataBytesMax)))
        }
        do throws(InvalidField) { return try Transaction.sorted(pairs) } catch {
            throw refusal("is too large: \(error.message)", at: start)
        }
    }

    fileprivate mutating func sentTime() throws(JSONError) -> RequestForm.SentTime {
        let text = try string(bytesMax: 64)
        guard let microseconds = RFC3339.microseconds(text) else {
            throw refusal(
                "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, not \(text.quotedForMessage)"
            )
        }
        return RequestForm.SentTime(time: Timestamp(microseconds: microseconds), text: text)
    }

    fileprivate mutating func eventID() throws(JSONError) -> EventID {
        let text = try string(bytesMax: 128)
        do throws(InvalidValue) { return try EventID(text) } catch {
            throw refusal("must be a transaction's id: \(error.description)")
        }
    }

    mutating func idempotencyKey() throws(JSONError) -> String {
        let key = try string(bytesMax: IdempotencyKey.lengthMax)
        guard !key.isEmpty else { throw refusal("must not be empty") }
        return key
    }
}
