import AgentCore
import HTTPSupport
import TextFormats

extension Answer {
    /// What the client is told where its request was not recorded; nil where it was.
    var problem: Problem? {
        switch self {
        case .accepted, .replayed: nil
        case .mismatched(let first):
            Problem(
                .idempotencyMismatch, "the key belongs to another request, which became \(first)")
        case .invalid(let field):
            Problem(
                .invalidField, field.description,
                errors: [Problem.Part(path: field.path, message: field.message)])
        }
    }

    /// One entry of a batch's `results`.
    func writeResult(to json: inout JSONWriter) {
        switch self {
        case .accepted(let transaction): transaction.writeResult(to: &json, status: 201)
        case .replayed(let transaction): transaction.writeResult(to: &json, status: 200)
        case .mismatched, .invalid: problem?.writeResult(to: &json)
        }
    }
}

extension RecordedTransaction {
    fileprivate func writeResult(to json: inout JSONWriter, status: Int) {
        json.object { json in
            json.member("status", status)
            json.name("transaction")
            write(to: &json)
        }
    }
}

extension Problem {
    func writeResult(to json: inout JSONWriter) {
        json.object { json in
            json.member("status", Int64(code.status.code))
            json.name("problem")
            write(to: &json)
        }
    }

    init(_ failure: ServiceFailure) {
        switch failure {
        case .overloaded:
            self.init(
                .overloaded, "more transactions wait for a commit than may wait", retryAfter: 1)
        case .storageFull(let detail): self.init(.storageFull, detail, retryAfter: 60)
        case .stopped(let detail): self.init(.unavailable, detail)
        case .unavailable(let detail): self.init(.unavailable, detail, retryAfter: 1)
        }
    }
}
