import HTTPTypes

/// Every kind of problem that a daemon answers with. The raw value stands in answers and never
/// changes.
package enum ProblemCode: String, CaseIterable, Sendable {
    case malformedJSON = "malformed_json"
    case invalidField = "invalid_field"
    case unauthenticated
    case forbidden
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case insufficientRights = "insufficient_rights"
    case inFlight = "in_flight"
    case alreadyDecided = "already_decided"
    case alreadyReversed = "already_reversed"
    case notTheDecider = "not_the_decider"
    case wrongStanding = "wrong_standing"
    case cannotRelease = "cannot_release"
    case tooLarge = "too_large"
    case unsupportedMediaType = "unsupported_media_type"
    case insufficientFunds = "insufficient_funds"
    case idempotencyMismatch = "idempotency_mismatch"
    case captureExceedsHold = "capture_exceeds_hold"
    case reversalExceedsTransfer = "reversal_exceeds_transfer"
    case holdExpired = "hold_expired"
    case outOfScope = "out_of_scope"
    case rateLimited = "rate_limited"
    case internalError = "internal_error"
    case unavailable
    case overloaded
    case storageFull = "storage_full"

    package var status: HTTPResponse.Status {
        switch self {
        case .malformedJSON, .invalidField: .badRequest
        case .unauthenticated: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .insufficientRights, .inFlight, .alreadyDecided, .alreadyReversed, .notTheDecider,
            .wrongStanding, .cannotRelease:
            .conflict
        case .tooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .insufficientFunds, .idempotencyMismatch, .captureExceedsHold,
            .reversalExceedsTransfer, .holdExpired,
            .outOfScope:
            .unprocessableContent
        case .rateLimited: .tooManyRequests
        case .internalError: .internalServerError
        case .unavailable, .overloaded: .serviceUnavailable
        case .storageFull: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
        }
    }

    /// Whether the same request may succeed later, without anything being changed in it.
    package var isRetryable: Bool {
        switch self {
        case .insufficientRights, .inFlight, .rateLimited, .internalError, .unavailable,
            .overloaded, .storageFull:
            true
        default: false
        }
    }

    /// Where the daemon itself explains the problem.
    package var type: String {
        "/problems/" + name
    }

    /// The last part of ``type``.
    package var name: String {
        rawValue.replacing("_", with: "-")
    }
}
