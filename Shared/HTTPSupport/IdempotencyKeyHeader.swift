import HTTPTypes
import Hummingbird
import LedgerCore

/// The `Idempotency-Key` header: a quoted string (RFC 8941, section 3.3.3); a bare one is taken,
/// too.
package enum IdempotencyKeyHeader {
    // The names are constants of ours, and valid.
    private static let name = HTTPField.Name("Idempotency-Key")
    package static let replayed = HTTPField.Name("Idempotency-Replayed")

    /// The key without its quotes; nil where the request has none.
    package static func key(of request: Request) throws(Problem) -> String? {
        // Almost no request has the header: look before a list is made.
        guard let name, request.headers.contains(name) else { return nil }
        let values = request.headers[values: name]
        guard values.count == 1 else { throw problem("is given \(values.count) times") }
        let key =
            try values[0].utf8.first == UInt8(ascii: "\"") ? unquoted(values[0]) : bare(values[0])
        guard (1...IdempotencyKey.lengthMax).contains(key.utf8.count) else {
            throw problem("has 1 to \(IdempotencyKey.lengthMax) bytes, not \(key.utf8.count)")
        }
        return key
    }

    private static func bare(_ text: String) throws(Problem) -> String {
        guard text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) else {
            throw problem("may only have printable ASCII characters")
        }
        return text
    }

    private static func unquoted(_ text: String) throws(Problem) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8.dropFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                guard rest.isEmpty else { throw problem("has something behind its closing quote") }
                return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst(),
                    next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\")
                else {
                    throw problem(
                        "has a backslash before something other than a quote or a backslash")
                }
                bytes.append(next)
            case 0x20...0x7E: bytes.append(byte)
            default: throw problem("may only have printable ASCII characters")
            }
        }
        throw problem("begins with a quote and does not end with one")
    }

    private static func problem(_ message: String) -> Problem {
        .invalid("Idempotency-Key", message)
    }
}
