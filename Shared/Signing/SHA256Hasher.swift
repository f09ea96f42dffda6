import Crypto
import LedgerCore
import SyncProtocol

/// SHA-256 (FIPS 180-4) by swift-crypto.
package struct SHA256Hasher: ContentHasher {
    package init() {}

    /// The digest of `head` followed by `tail`, which are hashed where they lie: nothing is joined
    /// or copied.
    package func sha256(_ head: [UInt8], _ tail: [UInt8]) -> Hash256 {
        var hasher = SHA256()
        head.withUnsafeBytes { hasher.update(bufferPointer: $0) }
        tail.withUnsafeBytes { hasher.update(bufferPointer: $0) }
        return hasher.finalize().withUnsafeBytes { digest in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return Hash256(words: (word(0), word(1), word(2), word(3)))
        }
    }
}
