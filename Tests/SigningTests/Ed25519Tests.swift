import LedgerCore
import Signing
import SyncProtocol
import Testing

@Suite struct Ed25519Tests {
    /// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
    static let vectors: [[String]] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ]

    static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    @Test(arguments: vectors) func `keys and signatures are those of RFC 8032`(vector: [String])
        throws
    {
        let fields = vector.map(Ed25519Tests.bytes)
        let signer = try Ed25519Signer(seed: fields[0])
        let signature = Signature(bytes: fields[3])
        #expect(signer.publicKey.bytes == fields[1])
        #expect(Ed25519Verifier().isValid(signature, for: fields[2], by: signer.publicKey))
        #expect(
            Ed25519Verifier().isValid(signer.sign(fields[2]), for: fields[2], by: signer.publicKey))
    }

    @Test func `a signature holds for its content and its key only`() {
        let signer = Ed25519Signer.generate()
        let other = Ed25519Signer.generate()
        let content = Array("segment".utf8)
        let signature = signer.sign(content)
        let verifier = Ed25519Verifier()
        #expect(verifier.isValid(signature, for: content, by: signer.publicKey))
        #expect(!verifier.isValid(signature, for: content + [0], by: signer.publicKey))
        #expect(!verifier.isValid(signature, for: content, by: other.publicKey))
        for place in signature.bytes.indices {
            var forged = signature.bytes
            forged[place] ^= 1
            #expect(!verifier.isValid(Signature(bytes: forged), for: content, by: signer.publicKey))
        }
        #expect(
            !verifier.isValid(
                signature, for: content, by: PublicKey(bytes: [UInt8](repeating: 0xFF, count: 32))))
    }

    @Test func `a seed of another length is refused`() {
        for count in [0, 31, 33, 64] {
            #expect(throws: InvalidValue.self) {
                try Ed25519Signer(seed: [UInt8](repeating: 1, count: count))
            }
        }
    }
}
