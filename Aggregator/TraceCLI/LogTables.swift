/// A table that `sql` shows of a log.
struct LogTable: Encodable {
    struct Column: Encodable {
        let name: String
        let type: String
        let about: String
    }

    let name: String
    let about: String
    let columns: [Column]

    /// With columns typed, so that a wrong value would be found here and not in an answer.
    var creation: String {
        let lines = columns.map { "\($0.name) \($0.type)" }
        return "CREATE TABLE \(name) (\(lines.joined(separator: ", "))) STRICT"
    }

    var insertion: String {
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        return "INSERT INTO \(name) VALUES (\(places))"
    }

    static let all = [transactions, postings, segments]

    static let transactions = LogTable(
        name: "transactions", about: "one row a transaction, in the order of the log",
        columns: [
            Column(name: "tx", type: "INTEGER PRIMARY KEY", about: "joins postings; counts from 1"),
            Column(name: "id", type: "TEXT", about: "as the APIs know it"),
            Column(name: "agent", type: "TEXT", about: "who accepted it"),
            Column(name: "stream", type: "TEXT", about: "the agent's stream"),
            Column(name: "sequence", type: "INTEGER", about: "its number in the stream"),
            Column(name: "segment", type: "INTEGER", about: "segments.position"),
            Column(name: "kind", type: "TEXT", about: "transfer"),
            Column(name: "accepted_at", type: "TEXT", about: "RFC 3339, UTC, the agent's clock"),
            Column(name: "occurred_at", type: "TEXT", about: "the client's own time, or NULL"),
            Column(name: "reference", type: "TEXT", about: "the client's, or NULL"),
            Column(name: "metadata", type: "TEXT", about: "a JSON object, or NULL"),
            Column(name: "idempotency_key", type: "TEXT", about: "the client's, or NULL"),
            Column(name: "related", type: "TEXT", about: "the id it is about, or NULL"),
            Column(name: "trace_id", type: "TEXT", about: "W3C trace id, or NULL"),
        ])

    static let postings = LogTable(
        name: "postings", about: "one row a posting",
        columns: [
            Column(name: "tx", type: "INTEGER", about: "transactions.tx"),
            Column(name: "number", type: "INTEGER", about: "within the transaction, from 1"),
            Column(name: "source", type: "TEXT", about: "the account that gives"),
            Column(name: "destination", type: "TEXT", about: "the account that takes"),
            Column(name: "asset", type: "TEXT", about: "as in EUR/2"),
            Column(name: "amount", type: "INTEGER", about: "in the asset's smallest unit"),
        ])

    static let segments = LogTable(
        name: "segments", about: "one row a segment: what one commit wrote",
        columns: [
            Column(name: "position", type: "INTEGER PRIMARY KEY", about: "in this log"),
            Column(name: "agent", type: "TEXT", about: "who wrote it"),
            Column(name: "stream", type: "TEXT", about: "the agent's stream"),
            Column(name: "first_sequence", type: "INTEGER", about: "number of its first event"),
            Column(name: "events", type: "INTEGER", about: "how many it has"),
            Column(name: "unreadable", type: "INTEGER", about: "of them in no table"),
            Column(name: "names", type: "INTEGER", about: "accounts, assets, texts new in it"),
            Column(name: "bytes", type: "INTEGER", about: "its size"),
            Column(name: "hash", type: "TEXT", about: "its end of the chain"),
            Column(name: "previous", type: "TEXT", about: "the hash it follows"),
            Column(name: "recorded_at", type: "TEXT", about: "RFC 3339, UTC, this machine's clock"),
        ])
}
