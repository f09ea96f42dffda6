import SyncProtocol

/// Signs with a hash over key and content. Whoever knows the public key can forge it: enough to
/// tell a signature of this content by this key from any other.
package struct ToySigner: Signer {
    package let publicKey: PublicKey

    package init(_ number: UInt8) {
        publicKey = PublicKey(bytes: [UInt8](repeating: number, count: PublicKey.byteCount))
    }

    package func sign(_ content: [UInt8]) -> Signature {
        ToyVerifier.signature(of: content, by: publicKey)
    }
}

package struct ToyVerifier: SignatureVerifier {
    package init() {}

    package func isValid(
        _ signature: Signature, for content: [UInt8], by key: PublicKey
    ) -> Bool {
        signature == ToyVerifier.signature(of: content, by: key)
    }

    fileprivate static func signature(of content: [UInt8], by key: PublicKey) -> Signature {
        let half = PlainSHA256().sha256(key.bytes, content).bytes
        return Signature(bytes: half + half)
    }
}
