import Crypto
import SyncProtocol

/// Verifies Ed25519 signatures (RFC 8032) by swift-crypto.
package struct Ed25519Verifier: SignatureVerifier {
    package init() {}

    /// A key that is no point of the curve has signed nothing.
    package func isValid(_ signature: Signature, for content: [UInt8], by key: PublicKey) -> Bool {
        do {
            let key = try Curve25519.Signing.PublicKey(rawRepresentation: key.bytes)
            return key.isValidSignature(signature.bytes, for: content)
        } catch {
            return false
        }
    }
}
