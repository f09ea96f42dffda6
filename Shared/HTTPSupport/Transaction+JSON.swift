import LedgerCore
import TextFormats

extension Transaction {
    /// Writes the transaction's own members into an object that is begun: both APIs show a
    /// transaction alike.
    package func writeMembers(to json: inout JSONWriter) {
        json.member("kind", kind.name)
        json.name("postings")
        json.array(of: postings) { json, posting in posting.write(to: &json) }
        if let reference { json.member("reference", reference) }
        if !metadata.isEmpty {
            json.name("metadata")
            json.object { json in
                for pair in metadata {
                    json.name(pair.name)
                    json.value(pair.value)
                }
            }
        }
        if let occurredAt { json.member("occurred_at", microseconds: occurredAt.microseconds) }
        if let related { json.member("related", related.description) }
    }
}

extension Posting {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.description)
            json.member("destination", destination.description)
            json.member("asset", asset.description)
            json.member("amount", amount.units)
        }
    }
}

extension JSONWriter {
    /// A time, or null.
    package mutating func member(_ name: StaticString, _ time: Timestamp?) {
        if let time {
            member(name, microseconds: time.microseconds)
        } else {
            self.name(name)
            null()
        }
    }
}
