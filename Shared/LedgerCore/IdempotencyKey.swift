/// The client's name for a request, so that asking again does nothing twice. Keys of different
/// scopes never meet.
///
/// Two keys are equal where their bytes are, as in the log and in every database: not, as `String`
/// has it, where they look alike.
package struct IdempotencyKey: Hashable, Sendable {
    /// Of the key and of its scope, in bytes.
    package static let lengthMax = 255

    /// The authenticated client's name, else the agent's.
    package let scope: String
    package let key: String

    /// - Throws: `InvalidValue` for an empty key, and for a key or scope of more than 255 bytes.
    package init(scope: String, key: String) throws(InvalidValue) {
        guard (1...IdempotencyKey.lengthMax).contains(key.utf8.count) else {
            throw InvalidValue(
                "an idempotency key has 1 to \(IdempotencyKey.lengthMax) bytes, not \(key.utf8.count)"
            )
        }
        guard scope.utf8.count <= IdempotencyKey.lengthMax else {
            throw InvalidValue(
                "a key's scope has at most \(IdempotencyKey.lengthMax) bytes, not \(scope.utf8.count)"
            )
        }
        self.scope = scope
        self.key = key
    }

    package static func == (left: IdempotencyKey, right: IdempotencyKey) -> Bool {
        left.key.utf8.elementsEqual(right.key.utf8)
            && left.scope.utf8.elementsEqual(right.scope.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for text in [scope, key] {
            hasher.combine(text.utf8.count)
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}

/// The first half of the SHA-256 of the canonical form of what the client sent: it tells a repeated
/// request from another one under the same key. 128 bits suffice, because whoever finds two bodies
/// of one digest fools only themselves.
package struct RequestDigest: Hashable, Sendable {
    package static let byteCount = 16
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(_ hash: Hash256) {
        let bytes = hash.bytes
        high = bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// A key together with the digest of the request that came under it: what the event stores.
package struct KeyedRequest: Hashable, Sendable {
    package let key: IdempotencyKey
    package let digest: RequestDigest

    package init(key: IdempotencyKey, digest: RequestDigest) {
        self.key = key
        self.digest = digest
    }
}
