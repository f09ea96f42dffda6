extension ProblemCode {
    /// What happened, the same for every request that meets it (RFC 9457, section 3.1.3).
    package var title: String {
        switch self {
        case .malformedJSON: "The body is not JSON"
        case .invalidField: "A part of the request is invalid"
        case .unauthenticated: "The request does not say who sends it"
        case .forbidden: "This is not for whoever sends it"
        case .notFound: "There is no such thing"
        case .methodNotAllowed: "This method is not for this address"
        case .insufficientRights: "This device may not spend that much now"
        case .inFlight: "The first request under this key is not done yet"
        case .alreadyDecided: "It was decided before"
        case .alreadyReversed: "It was reversed before"
        case .notTheDecider: "This is for another to decide"
        case .wrongStanding: "The stream does not stand so that this could be decided"
        case .cannotRelease: "The events can still not be read"
        case .tooLarge: "The request is too large"
        case .unsupportedMediaType: "The body is of a type that is not taken here"
        case .insufficientFunds: "The account does not hold that much"
        case .idempotencyMismatch: "Another request came before under this idempotency key"
        case .captureExceedsHold: "More is captured than was held"
        case .reversalExceedsTransfer: "More is reversed than was transferred"
        case .holdExpired: "The hold has expired"
        case .outOfScope: "This account is not for this device"
        case .rateLimited: "Too many requests"
        case .internalError: "The daemon failed"
        case .unavailable: "Not available now"
        case .overloaded: "Too much waits already"
        case .storageFull: "The storage is full"
        }
    }

    /// What to do, for the page that `type` leads to.
    package var advice: String {
        switch self {
        case .malformedJSON:
            "Send a document that RFC 8259 accepts; the detail names the byte where it ends being one."
        case .invalidField: "Mend the parts that errors lists; each has its JSON path."
        case .unauthenticated: "Send a token that this daemon knows, as Authorization: Bearer."
        case .forbidden: "Ask with a token whose role allows it; the detail names the role."
        case .notFound: "Check the address, and for a transaction its id."
        case .methodNotAllowed: "Use one of the methods that the Allow header lists."
        case .insufficientRights:
            "Wait for new rights: the device asks for them when it is connected. Or spend less."
        case .inFlight:
            "Ask again soon, under the same key: the answer of the first request comes back."
        case .alreadyDecided: "Nothing: the decision that stands is in the answer."
        case .alreadyReversed: "Nothing: the transfer is reversed in full."
        case .wrongStanding:
            "See GET /v1/agents/{id} for how each stream stands, and decide what is left to decide."
        case .cannotRelease:
            "Upgrade the aggregator to a version that can read them, and release them then. Or resolve the conflict with a reason: they stay without effect."
        case .notTheDecider: "Ask whom the answer names, or ask again when the hub can be reached."
        case .tooLarge: "Send less at once; the detail names the limit."
        case .unsupportedMediaType: "Send one of the types that the Accept header lists."
        case .insufficientFunds:
            "Send a smaller amount, or fund the account. The answer says as of when it was refused."
        case .idempotencyMismatch:
            "Use a new key for a new request. The first request under this key stands."
        case .captureExceedsHold: "Capture at most what is left of the hold."
        case .reversalExceedsTransfer: "Reverse at most what is left of the transfer."
        case .holdExpired: "Hold again. What the hold kept is free."
        case .outOfScope:
            "Use an account within the scope of this device, or have its scope changed."
        case .rateLimited: "Wait as long as Retry-After says."
        case .internalError: "Ask again; if it stays so, see the daemon's log."
        case .unavailable: "Ask again later; the detail says what is waited for."
        case .overloaded: "Ask again soon, and send less at once."
        case .storageFull:
            "Make room: connect the device to its aggregator, so that what is old can go; raise limits.storage; or free the disk. What was accepted is safe."
        }
    }
}
