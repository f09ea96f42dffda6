import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// What a later version adds behind a message's fields: this version passes over it, and over
/// nothing else.
@Suite struct MessageExtensionTests {
    /// Tag, length, bytes; the tags are some that no version has yet.
    private static let one: [UInt8] = [0x11, 3, 0xAA, 0xBB, 0xCC]
    private static let empty: [UInt8] = [0x92, 0x01, 0]

    /// A random message of the kind, and its body without the list of extensions, which is empty.
    private func sample(_ kind: Frame.Kind) throws -> (message: Message, fields: [UInt8]) {
        var random = SplitMix64(seed: UInt64(kind.rawValue))
        let message = try random.message(kind)
        let body = message.framed(session: 1).body
        #expect(body.last == 0, "no extension is written")
        return (message, body.dropLast())
    }

    private func read(_ kind: Frame.Kind, _ body: [UInt8]) throws(WireError) -> Message? {
        try Message(Frame(kind: kind, session: 1, body: body))
    }

    private func reason(_ kind: Frame.Kind, _ body: [UInt8]) -> WireError.Reason? {
        do throws(WireError) {
            _ = try read(kind, body)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a body with unknown extensions is the message that it is without them`(
        kind: Frame.Kind
    ) throws {
        let (message, fields) = try sample(kind)
        let one = MessageExtensionTests.one
        let empty = MessageExtensionTests.empty
        let long = [0x80, 0x01, 0x80, 0x02] + [UInt8](repeating: 0xFF, count: 256)
        let sixteen = [16] + [[UInt8]](repeating: empty, count: 16).joined()
        for list in [[1] + one, [1] + empty, [3] + one + empty + one, [1] + long, sixteen] {
            #expect(try read(kind, fields + list) == message)
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a list of extensions that ends too early or too late is refused`(kind: Frame.Kind) throws
    {
        let (_, fields) = try sample(kind)
        let list = [2] + MessageExtensionTests.one + MessageExtensionTests.empty
        for count in 0..<list.count {
            #expect(reason(kind, fields + list.prefix(count)) == .truncated, "\(count) bytes")
        }
        #expect(reason(kind, fields + list + [0]) == .trailingBytes)
        #expect(reason(kind, fields + [0, 0]) == .trailingBytes)
    }

    @Test(arguments: Frame.Kind.allCases)
    func `more extensions than 16, or one longer than a segment, are refused by name`(
        kind: Frame.Kind
    ) throws {
        let (_, fields) = try sample(kind)
        let many = [17] + [[UInt8]](repeating: MessageExtensionTests.empty, count: 17).joined()
        #expect(
            reason(kind, fields + many)
                == .tooLong(what: "the number of extensions", length: 17, limit: 16))
        let limit = SegmentHeader.segmentBytesMax
        let long = [1, 0x11, 0x81, 0xE0, 0x03] + [UInt8](repeating: 0, count: limit + 1)
        #expect(
            reason(kind, fields + long)
                == .tooLong(
                    what: "an extension", length: UInt64(limit) + 1, limit: UInt64(limit)))
    }

    @Test func `what is wrong with a message's traces counts as none, and the message counts`()
        throws
    {
        let (message, fields) = try sample(.ack)
        let zeros = [UInt8](repeating: 0, count: 25)
        let good = [UInt8](repeating: 7, count: 25)
        for content in [zeros, good + zeros, Array(good.dropLast()), good + [1]] {
            let list = [1, 1, UInt8(content.count)] + content
            #expect(try read(.ack, fields + list) == message, "\(content.count) bytes")
        }
        let seventeen = [[UInt8]](repeating: good, count: 17).joined()
        let many = [1, 1, 0xA9, 0x03] + seventeen
        #expect(try read(.ack, fields + many) == message)
        guard case .ack(let traced)? = try read(.ack, fields + [1, 1, 25] + good) else {
            Issue.record("it is no acknowledgement")
            return
        }
        #expect(
            traced.traces == [
                TraceContext(
                    traceID: [UInt8](repeating: 7, count: 16),
                    spanID: [UInt8](repeating: 7, count: 8), flags: 7)
            ])
    }

    @Test func `an extension is under the message's checksum and signature like its fields`() throws
    {
        let (_, fields) = try sample(.ack)
        let with = Frame(kind: .ack, session: 1, body: fields + [1] + MessageExtensionTests.one)
        var other = MessageExtensionTests.one
        other[4] ^= 1
        let changed = Frame(kind: .ack, session: 1, body: fields + [1] + other)
        let without = Frame(kind: .ack, session: 1, body: fields + [0])
        let contents = [with, changed, without].map { $0.signedContent(PlainSHA256()) }
        #expect(Set(contents).count == 3)
        var damaged = with.encoded()
        damaged[damaged.count - 5] ^= 1
        #expect(throws: WireError.self) { try Frame(decoding: damaged) }
    }
}
