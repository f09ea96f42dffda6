import LedgerCore
import SyncProtocol

/// A member of a request: a client that leaves it out says something else than one that sends null.
package enum Member<Value: Hashable & Sendable>: Hashable, Sendable {
    case absent
    case null
    case value(Value)

    package var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }
}

/// A request as the client sent it, before anything is filled in: the transaction is made from it,
/// and so is the digest that tells a repeated request from another one under the same key.
package struct RequestForm: Hashable, Sendable {
    package var kind: Member<TransactionKind>
    package var postings: [Posting]
    package var reference: Member<String>
    package var metadata: Member<[MetadataPair]>
    /// The time, and the text that it came as.
    package var occurredAt: Member<SentTime>
    package var related: Member<EventID>

    package struct SentTime: Hashable, Sendable {
        package let time: Timestamp
        package let text: String

        package init(time: Timestamp, text: String) {
            self.time = time
            self.text = text
        }
    }

    package init(
        kind: Member<TransactionKind> = .absent, postings: [Posting],
        reference: Member<String> = .absent,
        metadata: Member<[MetadataPair]> = .absent, occurredAt: Member<SentTime> = .absent,
        related: Member<EventID> = .absent
    ) {
        self.kind = kind
        self.postings = postings
        self.reference = reference
        self.metadata = metadata
        self.occurredAt = occurredAt
        self.related = related
    }

    /// - Throws: `InvalidField` naming the first part that breaks a rule of the ledger.
    package func transaction() throws(InvalidField) -> Transaction {
        try Transaction(
            kind: kind.value ?? .transfer, postings: postings, reference: reference.value,
            metadata: metadata.value ?? [], occurredAt: occurredAt.value?.time,
            related: related.value)
    }

    package func digest(_ hasher: some ContentHasher) -> RequestDigest {
        RequestDigest(hasher.sha256([], canonicalBytes()))
    }

    /// Of a group under one key: of all its requests, in their order.
    package static func digest(ofGroup forms: [RequestForm], _ hasher: some ContentHasher)
        -> RequestDigest
    {
        // No single request's form begins so: `atomic` is none of its members.
        var bytes = CanonicalBytes()
        bytes.member("atomic", Member<Bool>.value(true)) { form, isAtomic in
            form.number(isAtomic ? 1 : 0)
        }
        bytes.member("transactions", Member.value(forms)) { group, forms in
            group.number(forms.count)
            for form in forms {
                let single = form.canonicalBytes()
                group.number(single.count)
                group.bytes += single
            }
        }
        return RequestDigest(hasher.sha256([], bytes.bytes))
    }

    /// One form for all ways to write the same request: members in the order of their names, each
    /// as its name, then 0 for null or 1 and the value; every text behind its length, so that no
    /// two requests have the same form. `"1250"` and `1250` are the same amount; a time is the text
    /// that came.
    package func canonicalBytes() -> [UInt8] {
        var form = CanonicalBytes()
        form.member("kind", kind) { $0.text($1.name) }
        form.member("metadata", metadata) { form, pairs in
            form.number(pairs.count)
            for pair in pairs.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
                form.text(pair.name)
                form.text(pair.value)
            }
        }
        form.member("occurred_at", occurredAt) { $0.text($1.text) }
        form.member("postings", Member.value(postings)) { form, postings in
            form.number(postings.count)
            for posting in postings {
                form.number(Int(posting.amount.units))
                form.text(posting.asset.description)
                form.text(posting.destination.description)
                form.text(posting.source.description)
            }
        }
        form.member("reference", reference) { $0.text($1) }
        form.member("related", related) { $0.text($1.description) }
        return form.bytes
    }
}

private struct CanonicalBytes {
    var bytes: [UInt8] = []

    mutating func member<Value>(
        _ name: String, _ member: Member<Value>, _ append: (inout CanonicalBytes, Value) -> Void
    ) {
        switch member {
        case .absent: return
        case .null:
            text(name)
            bytes.append(0)
        case .value(let value):
            text(name)
            bytes.append(1)
            append(&self, value)
        }
    }

    mutating func number(_ value: Int) {
        withUnsafeBytes(of: Int64(value).littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func text(_ text: String) {
        number(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }
}
