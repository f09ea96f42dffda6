import HTTPTypes
import Hummingbird
import LedgerCore

/// The `Idempotency-Key` header: a quoted string (RFC 8941, section 3.3.3); a bare one is taken,
/// too.
package enum IdempotencyKeyHeader {
    // The name is a constant of ours, and valid.
    private static let name = HTTPField.Name("Idempotency-Key")
    package static let replayed = HTTPField.Name("Idempotency-Replayed")

    /// The key without its quotes; nil where the request has none.
    package static func key(of request: Request) throws(Problem) -> String? {
        guard let name, let text = request.headers[name] else { return nil }
        let key = try unquoted(text)
        guard (1...IdempotencyKey.lengthMax).contains(key.utf8.count) else {
            throw problem("has 1 to \(IdempotencyKey.lengthMax) bytes, not \(key.utf8.count)")
        }
        return key
    }

    private static func unquoted(_ text: String) throws(Problem) -> String {
        guard text.hasPrefix("\"") else { return text }
        var key = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if !isEscaped, character == "\\" {
                isEscaped = true
                continue
            }
            guard isEscaped ? "\"\\".contains(character) : character != "\"" else {
                throw problem("is not a quoted string as RFC 8941 has it")
            }
            isEscaped = false
            key.append(character)
        }
        guard text.count >= 2, text.hasSuffix("\""), !isEscaped else {
            throw problem("begins with a quote and does not end with one")
        }
        return key
    }

    private static func problem(_ message: String) -> Problem {
        Problem(
            .invalidField, "Idempotency-Key \(message)",
            errors: [Problem.Part(path: "Idempotency-Key", message: message)])
    }
}
