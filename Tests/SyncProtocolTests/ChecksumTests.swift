import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct ChecksumTests {
    /// RFC 3720, appendix B.4.
    @Test(
        arguments: [
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            ((0..<32).map { UInt8($0) }, 0x46DD_794E),
            ((0..<32).map { UInt8(31 - $0) }, 0x113F_DB5C),
            (
                [0x01, 0xC0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0] + [
                    0x14, 0, 0, 0, 0, 0, 0x04, 0,
                ]
                    + [0, 0, 0, 0x14, 0, 0, 0, 0x18] + [0x28, 0, 0, 0, 0, 0, 0, 0] + [
                        0x02, 0, 0, 0, 0, 0, 0, 0,
                    ], 0xD996_3A56
            ),
            ([], 0), (Array("123456789".utf8), 0xE306_9283),
        ] as [([UInt8], UInt32)])
    func `the checksum is CRC-32C`(_ bytes: [UInt8], _ checksum: UInt32) {
        #expect(CRC32C.checksum(bytes) == checksum)
        #expect(CRC32C.checksum(AnySequence(bytes)) == checksum)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `the checksum by tables is the one bit by bit`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let bytes = random.bytes(Int(seed))
        var reference = ~UInt32(0)
        for byte in bytes {
            reference ^= UInt32(byte)
            for _ in 0..<8 {
                reference = reference & 1 == 1 ? reference >> 1 ^ 0x82F6_3B78 : reference >> 1
            }
        }
        #expect(CRC32C.checksum(bytes) == ~reference, "seed \(seed)")
        #expect(
            CRC32C.checksum(bytes.dropFirst(3)) == CRC32C.checksum(Array(bytes.dropFirst(3))),
            "seed \(seed)")
    }

    /// FIPS 180-4 examples (csrc.nist.gov), and the padding's edges by the lengths of their blocks.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
        (
            String(repeating: "a", count: 55),
            "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"
        ),
        (
            String(repeating: "a", count: 64),
            "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
        ),
        (
            String(repeating: "a", count: 1000),
            "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
        ),
    ])
    func `the tests' own hasher is SHA-256`(_ text: String, _ digest: String) {
        let bytes = Array(text.utf8)
        #expect(PlainSHA256().sha256(bytes, []).description == digest)
        #expect(
            PlainSHA256().sha256(Array(bytes.prefix(3)), Array(bytes.dropFirst(3))).description
                == digest)
    }
}
