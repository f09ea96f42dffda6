import LedgerCore
import Signing
import SyncProtocol
import Testing

@Suite struct SHA256HasherTests {
    @Test func `the digests are those of FIPS 180-4`() {
        let hasher = SHA256Hasher()
        let known = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
        for (text, digest) in known {
            #expect(hasher.sha256([], Array(text.utf8)).description == digest)
        }
    }

    @Test func `where the content is cut in two makes no difference`() {
        let hasher = SHA256Hasher()
        let content = (0..<200).map { UInt8($0) }
        let whole = hasher.sha256(content, [])
        for cut in content.indices {
            #expect(hasher.sha256(Array(content[..<cut]), Array(content[cut...])) == whole)
        }
        #expect(hasher.sha256(content.reversed(), []) != whole)
    }
}
