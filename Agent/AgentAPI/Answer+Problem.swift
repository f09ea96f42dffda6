import AgentCore
import HTTPSupport
import LedgerCore
import TextFormats

extension Answer {
    /// What the client is told where its request was not recorded; nil where it was.
    var problem: Problem? {
        switch self {
        case .accepted, .replayed: nil
        case .mismatched(let first): Answer.mismatchedProblem(first)
        case .invalid(let field):
            Problem(
                .invalidField, field.description,
                errors: [Problem.Part(path: field.path, message: field.message)])
        }
    }

    static func mismatchedProblem(_ first: EventID) -> Problem {
        Problem(.idempotencyMismatch, "the key belongs to another request, which became \(first)")
    }

    /// One entry of a batch's `results`, or the answer to a line.
    func writeResult(to json: inout JSONWriter, line: Int? = nil) {
        switch self {
        case .accepted(let transaction):
            transaction.writeResult(to: &json, status: 201, line: line)
        case .replayed(let transaction):
            transaction.writeResult(to: &json, status: 200, line: line)
        case .mismatched, .invalid:
            let said = line.flatMap { problem?.atLine($0) } ?? problem
            said?.writeResult(to: &json, line: line)
        }
    }
}

extension RecordedTransaction {
    fileprivate func writeResult(to json: inout JSONWriter, status: Int, line: Int?) {
        json.object { json in
            if let line { json.member("line", line) }
            json.member("status", status)
            json.name("transaction")
            write(to: &json)
        }
    }
}

extension Problem {
    func writeResult(to json: inout JSONWriter, line: Int? = nil) {
        json.object { json in
            if let line { json.member("line", line) }
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
        case .unavailable(let detail): self.init(.unavailable, detail, retryAfter: 1)
        }
    }
}
