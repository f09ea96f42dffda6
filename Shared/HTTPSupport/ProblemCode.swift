import HTTPTypes

/// Every kind of problem that a daemon answers with. The raw value stands in answers and never
/// changes.
package enum ProblemCode: String, CaseIterable, Sendable {
    case malformedJSON = "malformed_json"
    case invalidField = "invalid_field"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case tooLarge = "too_large"
    case unsupportedMediaType = "unsupported_media_type"
    case idempotencyMismatch = "idempotency_mismatch"
    case internalError = "internal_error"
    case unavailable
    case overloaded
    case storageFull = "storage_full"

    package var status: HTTPResponse.Status {
        switch self {
        case .malformedJSON, .invalidField: .badRequest
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .tooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .idempotencyMismatch: .unprocessableContent
        case .internalError: .internalServerError
        case .unavailable, .overloaded: .serviceUnavailable
        case .storageFull: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
        }
    }

    package var title: String {
        switch self {
        case .malformedJSON: "The body is not JSON"
        case .invalidField: "A part of the request is invalid"
        case .notFound: "There is no such thing"
        case .methodNotAllowed: "This method is not for this address"
        case .tooLarge: "The request is too large"
        case .unsupportedMediaType: "The body is of a type that is not taken here"
        case .idempotencyMismatch: "Another request came before under this idempotency key"
        case .internalError: "The daemon failed"
        case .unavailable: "Not available now"
        case .overloaded: "Too much waits already"
        case .storageFull: "The storage is full"
        }
    }

    /// Whether the same request may succeed later.
    package var isRetryable: Bool {
        switch self {
        case .unavailable, .overloaded, .storageFull, .internalError: true
        default: false
        }
    }

    /// What to do, for the page that `type` leads to.
    package var advice: String {
        switch self {
        case .malformedJSON:
            "Send a document that RFC 8259 accepts; the detail names the byte where it ends being one."
        case .invalidField: "Mend the parts that errors lists; each has its JSON path."
        case .notFound: "Check the address, and for a transaction its id."
        case .methodNotAllowed: "See the API's description for the methods of this address."
        case .tooLarge: "Send less at once; the detail names the limit."
        case .unsupportedMediaType: "Send application/json."
        case .idempotencyMismatch:
            "Use a new key for a new request. The first request under this key stands."
        case .internalError: "Ask again; if it stays so, see the daemon's log."
        case .unavailable: "Ask again later; the detail says what is waited for."
        case .overloaded: "Ask again soon, and send less at once."
        case .storageFull: "Make room; what was accepted is safe. Ask again afterwards."
        }
    }

    /// Where the daemon itself explains the problem.
    package var type: String {
        "/problems/" + rawValue.replacing("_", with: "-")
    }
}
