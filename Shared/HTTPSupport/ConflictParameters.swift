import LedgerCore
import SyncProtocol

/// What requests for conflicts say, read the same by both daemons.
extension Conflict {
    package static func kind(_ text: String) throws(InvalidValue) -> Kind {
        guard let kind = Kind(rawValue: text) else {
            let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidValue("must be one of \(known), not \(text.quotedForMessage)")
        }
        return kind
    }

    package static func isOpen(_ text: String) throws(InvalidValue) -> Bool {
        switch text {
        case "open": return true
        case "resolved": return false
        default: throw InvalidValue("must be open or resolved, not \(text.quotedForMessage)")
        }
    }
}

extension EventID {
    /// A conflict's id in an address.
    package static func conflictParameter(_ text: String?) throws(Problem) -> EventID {
        let text = text ?? ""
        if let id = try? EventID(text), id.branch == nil { return id }
        let message =
            "a conflict's id is HUB.STREAM.NUMBER, such as hub.k3f9qa2m.17, not \(text.quotedForMessage)"
        throw Problem(
            .invalidField, message, errors: [Problem.Part(path: "id", message: message)])
    }
}

extension Problem {
    /// There is no such transaction to be shown, and a conflict says why.
    package static func notFound(_ id: EventID, because conflict: ConflictView) -> Problem {
        Problem(
            .notFound,
            "transaction \(id) cannot be shown: see conflict \(conflict.id), of kind \(conflict.conflict.kind.rawValue)",
            members: [Member("conflict", .text(conflict.id.description))])
    }
}
