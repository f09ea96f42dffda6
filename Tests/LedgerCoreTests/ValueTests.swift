import LedgerCore
import Testing

@Suite struct ValueTests {
    /// What a constructor of a value says about a text: nil where it takes it.
    private func refusal(_ make: () throws(InvalidValue) -> Void) -> String? {
        do throws(InvalidValue) {
            try make()
            return nil
        } catch {
            return error.description
        }
    }

    // MARK: Assets

    @Test(arguments: [
        ("EUR/2", "EUR", 2), ("KWH/3", "KWH", 3), ("SKU-8812", "SKU-8812", 0), ("A", "A", 0),
        ("A/0", "A", 0),
        ("A/00", "A", 0), ("X_-9/99", "X_-9", 99),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 0),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345/18", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 18),
    ])
    func `an asset keeps its text and splits into code and scale`(
        _ text: String, _ code: String, _ scale: Int
    ) throws {
        let asset = try Asset(text)
        #expect(asset.description == text)
        #expect(asset.code == code)
        #expect(asset.scale == scale)
    }

    @Test(arguments: [
        "", "/2", "EUR/", "EUR/123", "EUR/a", "EUR/2/2", "EUR/-1", "eur", "eUR", "EUr", "1EUR",
        "_EUR", "-EUR", "EUR ",
        " EUR", "EU R", "ÉUR", "EUR\0", "E.R", "EUR\n", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456", "水",
    ])
    func `what is no asset is refused with the rule and the text`(_ text: String) {
        let message = refusal { () throws(InvalidValue) in _ = try Asset(text) }
        #expect(
            message
                == "an asset is a code of capitals, digits, '_' and '-' (1 to 32, the first a capital) "
                + "and an optional scale such as '/2', not \"\(text)\"")
    }

    // MARK: Accounts

    @Test(arguments: [
        "world", "a", "A", "0", "_", "-", "stores:042:till:3", "a:b:c:d:e:f", "Z_-9:-",
        String(repeating: "a", count: 255),
        String(repeating: "a:", count: 127) + "b",
    ])
    func `an account keeps its text`(_ text: String) throws {
        #expect(try AccountAddress(text).description == text)
    }

    @Test func `the world is an account like one that is written`() throws {
        #expect(try AccountAddress("world") == AccountAddress.world)
    }

    @Test(arguments: [
        "", ":", "a:", ":a", "a::b", "a b", "a.b", "a/b", "a#", "a+", "é", "水", "a\0", "a\n",
        "stores:042:till:",
        String(repeating: "a", count: 256), String(repeating: "a:", count: 127) + "bc",
    ])
    func `what is no account is refused with the rule and the start of the text`(_ text: String) {
        let message = refusal { () throws(InvalidValue) in _ = try AccountAddress(text) }
        #expect(
            message
                == "an account is parts of letters, digits, '_' and '-' joined by ':', at most 255 "
                + "bytes, such as stores:042:till:3, not \(text.quotedForMessage)")
    }

    @Test(arguments: [
        (String(repeating: "x", count: 64), "\"" + String(repeating: "x", count: 64) + "\""),
        (String(repeating: "x", count: 65), "\"" + String(repeating: "x", count: 64) + "…\""),
        ("", "\"\""),
        (
            "e" + String(repeating: "\u{301}", count: 9999),
            "\"e" + String(repeating: "\u{301}", count: 63) + "…\""
        ),
    ])
    func `a message quotes no more than 64 scalars of a bad value`(_ text: String, _ quoted: String)
    {
        #expect(text.quotedForMessage.utf8.elementsEqual(quoted.utf8))
    }

    // MARK: Agents

    @Test(arguments: ["a", "0", "till-042", "a-", "a--b", String(repeating: "z", count: 63)])
    func `an agent id keeps its text`(_ text: String) throws {
        #expect(try AgentID(text).description == text)
    }

    @Test(arguments: [
        "", "-", "-a", "A", "till_042", "till.042", "till 042", "till/042", "tïll", "a\0",
        String(repeating: "z", count: 64),
    ])
    func `what is no agent id is refused with the rule and the text`(_ text: String) {
        let message = refusal { () throws(InvalidValue) in _ = try AgentID(text) }
        #expect(
            message == "an agent id is 1 to 63 small letters, digits and '-', the first not a '-', "
                + "such as till-042, not \"\(text)\"")
    }

    // MARK: Amounts

    @Test(arguments: [1, 2, 1250, Int64.max])
    func `an amount is a positive count of units`(_ units: Int64) throws {
        #expect(try Amount(units).units == units)
    }

    @Test(arguments: [0, -1, Int64.min])
    func `what is not positive is no amount`(_ units: Int64) {
        let message = refusal { () throws(InvalidValue) in _ = try Amount(units) }
        #expect(
            message == "an amount is a whole number from 1 to 9223372036854775807, not \(units)")
    }

    // MARK: Stream tags

    @Test(
        arguments: [
            ("00000000", 0), ("00000001", 1), ("0000000z", 31), ("00000010", 32),
            ("zzzzzzzz", 1 << 40 - 1),
            ("k3f9qa2m", 0x98DE_9BA8_54),
        ] as [(String, UInt64)])
    func `a stream tag is 40 bits in Crockford's base32`(_ text: String, _ bits: UInt64) throws {
        #expect(try StreamTag(text).rawValue == bits)
        #expect(StreamTag(rawValue: bits)?.description == text)
    }

    @Test(arguments: [
        "", "0000000", "000000000", "0000000i", "0000000l", "0000000o", "0000000u", "K3F9QA2M",
        "0000 000", "é000000",
    ])
    func `what is no stream tag is refused with the rule and the text`(_ text: String) {
        let message = refusal { () throws(InvalidValue) in _ = try StreamTag(text) }
        #expect(
            message
                == "a stream tag is 8 characters of 0-9 and a-z without i, l, o and u, not \"\(text)\""
        )
    }

    @Test func `a stream takes its tag from the first 40 bits of its genesis hash`() {
        let hash = Hash256([0xFF, 0, 0, 0, 1] + [UInt8](repeating: 0xAA, count: 27))
        #expect(StreamTag(genesisHash: hash).rawValue == 0xFF00_0000_01)
        #expect(StreamTag(rawValue: 1 << 40) == nil)
    }

    // MARK: Event ids

    @Test(arguments: [
        "till-042.k3f9qa2m.1051", "a.00000000.1", "a.zzzzzzzz.18446744073709551615",
        "till-042.k3f9qa2m.1051~0123abcd",
    ])
    func `an event id reads back from its text`(_ text: String) throws {
        #expect(try EventID(text).description == text)
    }

    @Test(arguments: [
        "", ".", "..", "till-042", "till-042.k3f9qa2m", "till-042.k3f9qa2m.", "till-042.k3f9qa2m.0",
        "till-042.k3f9qa2m.01",
        "till-042.k3f9qa2m.+1", "till-042.k3f9qa2m.-1", "till-042.k3f9qa2m.1.2",
        "till-042.k3f9qa2m.18446744073709551616",
        "till-042.k3f9qa2.1", "till-042.k3f9qa2u.1", "Till.k3f9qa2m.1", ".k3f9qa2m.1",
        "till-042.k3f9qa2m.1~",
        "till-042.k3f9qa2m.1~0123abc", "till-042.k3f9qa2m.1~0123abcde",
        "till-042.k3f9qa2m.1~0123ABCD",
        "till-042.k3f9qa2m.1~0123abcg", "till-042.k3f9qa2m.1~0123~bcd",
        "till-042.k3f9qa2m.~0123abcd",
        " till-042.k3f9qa2m.1", "till-042.k3f9qa2m.1 ", "till-042.k3f9qa2m.١",
    ])
    func `what is no event id is refused with its shape and the text`(_ text: String) {
        let message = refusal { () throws(InvalidValue) in _ = try EventID(text) }
        #expect(
            message
                == "a transaction id is AGENT.STREAM.NUMBER, such as till-042.k3f9qa2m.1051, not \(text.quotedForMessage)"
        )
    }

    // MARK: Hashes

    @Test func `a hash keeps its 32 bytes and shows them in hex`() {
        let bytes = (0..<32).map { UInt8($0 * 8 + 1) }
        let hash = Hash256(bytes)
        #expect(hash.bytes == bytes)
        #expect(
            hash.description == "0109111921293139414951596169717981899199a1a9b1b9c1c9d1d9e1e9f1f9")
        #expect(hash.shortDescription == "01091119")
    }

    @Test(arguments: [31, 33])
    func `a hash of another length stops the process`(_ count: Int) async {
        await #expect(processExitsWith: .failure) { [count] in
            _ = Hash256([UInt8](repeating: 0, count: count))
        }
    }

    // MARK: Keys

    @Test func `a key and its scope have their lengths`() throws {
        _ = try IdempotencyKey(scope: "", key: "k")
        _ = try IdempotencyKey(
            scope: String(repeating: "s", count: 255), key: String(repeating: "k", count: 255))
        let empty = refusal { () throws(InvalidValue) in _ = try IdempotencyKey(scope: "s", key: "")
        }
        #expect(empty == "an idempotency key has 1 to 255 bytes, not 0")
        let long = String(repeating: "é", count: 128)
        let key = refusal { () throws(InvalidValue) in _ = try IdempotencyKey(scope: "s", key: long)
        }
        #expect(key == "an idempotency key has 1 to 255 bytes, not 256")
        let scope = refusal { () throws(InvalidValue) in
            _ = try IdempotencyKey(scope: long, key: "k")
        }
        #expect(scope == "a key's scope has at most 255 bytes, not 256")
    }

    @Test func `keys that look alike and differ in their bytes are two keys`() throws {
        let composed = try IdempotencyKey(scope: "s", key: "caf\u{E9}")
        let decomposed = try IdempotencyKey(scope: "s", key: "cafe\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, composed]).count == 2)
        #expect(try IdempotencyKey(scope: "a", key: "bc") != IdempotencyKey(scope: "ab", key: "c"))
    }

    @Test func `a request's digest is the first half of its hash`() {
        let digest = RequestDigest(Hash256((1...32).map { UInt8($0) }))
        #expect(digest == RequestDigest(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10))
    }
}
