import Crypto
import LedgerCore
import SyncProtocol

/// Signs with an Ed25519 key (RFC 8032) by swift-crypto.
package struct Ed25519Signer: Signer {
    package static let seedByteCount = 32

    package let publicKey: PublicKey
    private let key: Curve25519.Signing.PrivateKey

    /// The key of a seed: 32 secret bytes, from which all else follows (RFC 8032, section 5.1.5).
    ///
    /// - Throws: `InvalidValue` where there are not exactly 32 bytes.
    package init(seed: [UInt8]) throws(InvalidValue) {
        guard seed.count == Ed25519Signer.seedByteCount else {
            throw InvalidValue(
                "an Ed25519 seed has \(Ed25519Signer.seedByteCount) bytes, not \(seed.count)")
        }
        do {
            self.init(try Curve25519.Signing.PrivateKey(rawRepresentation: seed))
        } catch {
            throw InvalidValue("the seed makes no Ed25519 key (\(error))")
        }
    }

    /// A new key, from the operating system's randomness.
    package static func generate() -> Ed25519Signer {
        Ed25519Signer(Curve25519.Signing.PrivateKey())
    }

    private init(_ key: Curve25519.Signing.PrivateKey) {
        self.key = key
        publicKey = PublicKey(bytes: Array(key.publicKey.rawRepresentation))
    }

    /// The seed, to be kept secret.
    var seed: [UInt8] { Array(key.rawRepresentation) }

    package func sign(_ content: [UInt8]) -> Signature {
        do {
            return Signature(bytes: Array(try key.signature(for: content)))
        } catch {
            // Ed25519 can sign anything with any key; only memory that is not there makes BoringSSL
            // say no.
            preconditionFailure("signing failed: \(error)")
        }
    }
}
