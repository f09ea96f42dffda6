import LedgerCore

/// SHA-256 (FIPS 180-4), injected: the pure codec reaches for no cryptography library.
package protocol ContentHasher: Sendable {
    /// The digest of `head` followed by `tail`.
    func sha256(_ head: [UInt8], _ tail: [UInt8]) -> Hash256
}

extension ContentHasher {
    /// The chain's rule: `hash(n) = SHA-256(hash(n−1) ‖ bytes)`.
    package func chain(_ previous: Hash256, _ bytes: [UInt8]) -> Hash256 {
        sha256(previous.bytes, bytes)
    }
}

/// An Ed25519 public key (RFC 8032): who may write a stream.
package struct PublicKey: Hashable, Sendable {
    package static let byteCount = 32
    package let bytes: [UInt8]

    /// - Precondition: 32 bytes.
    package init(bytes: [UInt8]) {
        precondition(
            bytes.count == PublicKey.byteCount,
            "an Ed25519 public key has 32 bytes, not \(bytes.count)")
        self.bytes = bytes
    }
}

/// An Ed25519 signature (RFC 8032).
package struct Signature: Hashable, Sendable {
    package static let byteCount = 64
    package let bytes: [UInt8]

    /// - Precondition: 64 bytes.
    package init(bytes: [UInt8]) {
        precondition(
            bytes.count == Signature.byteCount,
            "an Ed25519 signature has 64 bytes, not \(bytes.count)")
        self.bytes = bytes
    }
}

/// Signs for one device; the private key stays with the implementation.
package protocol Signer: Sendable {
    var publicKey: PublicKey { get }
    func sign(_ content: [UInt8]) -> Signature
}

package protocol SignatureVerifier: Sendable {
    func isValid(_ signature: Signature, for content: [UInt8], by key: PublicKey) -> Bool
}

/// Proof that the store has made a log durable up to a position: written, and synced to the disk.
///
/// Only a store can make one (the initialiser is behind an SPI that the stores import), and neither
/// an answer to a client nor an acknowledgement to an agent can be made without one: so *persist,
/// then answer* is checked by the compiler.
public struct Durable: Sendable, Hashable {
    /// The last position of the log that is durable.
    public let position: Int64

    @_spi(Durability) public init(position: Int64) {
        self.position = position
    }
}
