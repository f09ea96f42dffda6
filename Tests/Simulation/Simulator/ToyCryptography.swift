import LedgerCore
import SyncProtocol

/// A hash that is fast and has nothing to do with SHA-256. In a simulator nobody looks for
/// collisions; two contents of different bytes just must not have the same hash by chance.
package struct ToyHasher: ContentHasher {
    package init() {}

    package func sha256(_ head: [UInt8], _ tail: [UInt8]) -> Hash256 {
        var lanes = Lanes()
        lanes.absorb(head)
        lanes.absorb(tail)
        return lanes.finished(length: head.count + tail.count)
    }

    private struct Lanes {
        private var a: UInt64 = 0x9E37_79B9_7F4A_7C15
        private var b: UInt64 = 0xBF58_476D_1CE4_E5B9
        private var c: UInt64 = 0x94D0_49BB_1331_11EB
        private var d: UInt64 = 0xD6E8_FEB8_6659_FD93
        /// Bytes that make no word yet, the first in the low end.
        private var pending: UInt64 = 0
        private var pendingBits: UInt64 = 0

        mutating func absorb(_ bytes: [UInt8]) {
            bytes.withUnsafeBytes { buffer in
                var offset = 0
                while buffer.count - offset >= 8 {
                    let word = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    // A shift by all 64 bits gives 0, so that nothing pending adds nothing.
                    mix(pending | word << pendingBits)
                    pending = word >> (64 - pendingBits)
                    offset += 8
                }
                while offset < buffer.count {
                    pending |= UInt64(buffer[offset]) << pendingBits
                    pendingBits += 8
                    offset += 1
                    guard pendingBits == 64 else { continue }
                    mix(pending)
                    pending = 0
                    pendingBits = 0
                }
            }
        }

        @inline(__always)
        private mutating func mix(_ word: UInt64) {
            a = (a ^ word) &* 0xD1B5_4A32_D192_ED03
            b = (b &+ a) ^ (word << 29 | word >> 35)
            c = (c ^ b) &* 0x8CB9_2BA7_2F3D_8DD7
            d = (d &+ c) ^ (a >> 31)
        }

        mutating func finished(length: Int) -> Hash256 {
            mix(pending)
            for round in 0..<4 as Range<UInt64> { mix(UInt64(length) &+ round << 56) }
            return Hash256(words: (a ^ a >> 32, b ^ b >> 29, c ^ c >> 32, d ^ d >> 29))
        }
    }
}

/// Signs with the toy hash over key and content. Whoever knows the public key could forge it, and
/// the adversary of the simulator does not.
struct ToySigner: Signer {
    let publicKey: PublicKey

    /// - Parameter number: which key; devices with the same number have the same.
    init(_ number: UInt64) {
        var bytes: [UInt8] = []
        for part in 0..<4 as Range<UInt64> {
            withUnsafeBytes(of: (number &* 4 &+ part).bigEndian) { bytes.append(contentsOf: $0) }
        }
        publicKey = PublicKey(bytes: bytes)
    }

    func sign(_ content: [UInt8]) -> Signature {
        ToyVerifier.signature(of: content, by: publicKey)
    }
}

struct ToyVerifier: SignatureVerifier {
    func isValid(_ signature: Signature, for content: [UInt8], by key: PublicKey) -> Bool {
        signature == ToyVerifier.signature(of: content, by: key)
    }

    fileprivate static func signature(of content: [UInt8], by key: PublicKey) -> Signature {
        let half = ToyHasher().sha256(key.bytes, content).bytes
        return Signature(bytes: half + half)
    }
}
