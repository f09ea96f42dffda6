import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct MessageTests {
    @Test(arguments: Frame.Kind.allCases)
    func `every message comes back from its frame as it was, and encodes to the same bytes again`(
        kind: Frame.Kind
    ) throws {
        for seed in 0..<120 as Range<UInt64> {
            var random = SplitMix64(seed: seed << 8 | UInt64(kind.rawValue))
            let message = try random.message(kind)
            let frame = message.framed(
                session: random.next(), signature: random.oneIn(2) ? random.signature() : nil)
            let bytes = frame.encoded()
            let decoded = try Frame(decoding: bytes)
            #expect(decoded == frame, "seed \(seed)")
            #expect(try Message(decoded) == message, "seed \(seed)")
            #expect(decoded.kind == kind.rawValue, "seed \(seed)")
            #expect(
                try Message(decoded)?.framed(session: frame.session, signature: frame.signature)
                    .encoded() == bytes)
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a frame with any one bit flipped is refused`(kind: Frame.Kind) throws {
        for seed in 0..<2 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let message = try random.message(kind)
            let bytes = message.framed(
                session: seed, signature: seed == 0 ? nil : random.signature()
            ).encoded()
            for bit in 0..<min(bytes.count, 1200) * 8 {
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(throws: WireError.self, "seed \(seed), bit \(bit)") {
                    try Frame(decoding: damaged)
                }
            }
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a frame that ends too early or too late is refused`(kind: Frame.Kind) throws {
        var random = SplitMix64(seed: UInt64(kind.rawValue))
        let bytes = try random.message(kind).framed(session: 1).encoded()
        for count in 0..<bytes.count {
            #expect(throws: WireError.self, "\(count) bytes") {
                try Frame(decoding: Array(bytes.prefix(count)))
            }
        }
        #expect(throws: WireError.self) { try Frame(decoding: bytes + [0]) }
        #expect(throws: WireError.self) { try Frame(decoding: withChecksum(bytes + [0])) }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a body that ends too early or too late is refused, in a frame that is whole`(
        kind: Frame.Kind
    ) throws {
        var random = SplitMix64(seed: UInt64(kind.rawValue))
        let body = try random.message(kind).framed(session: 1).body
        for count in 0..<min(body.count, 2000) {
            let frame = Frame(kind: kind, session: 1, body: Array(body.prefix(count)))
            #expect(throws: WireError.self, "\(count) bytes") { try Message(frame) }
        }
        #expect(throws: WireError.self) {
            try Message(Frame(kind: kind, session: 1, body: body + [0]))
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `whatever a damaged frame says, it is refused or encodes to the same fields again`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        var accepted = 0
        for kind in Frame.Kind.allCases {
            let bytes = try random.message(kind).framed(session: 1, signature: random.signature())
                .encoded()
            for _ in 0..<600 {
                var damaged = bytes
                random.damage(&damaged, in: 0..<min(300, bytes.count))
                damaged = withChecksum(damaged)
                guard let frame = try? Frame(decoding: damaged), let message = try? Message(frame)
                else { continue }
                accepted += 1
                let again = message.framed(session: frame.session, signature: frame.signature)
                #expect(again.session == frame.session && again.signature == frame.signature)
                #expect(isSame(frame.body, again.body), "seed \(seed), kind \(kind)")
            }
        }
        #expect(
            accepted > 0, "seed \(seed): the damage is always found, so the bodies are not tried")
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `whatever a damaged body says, it is refused or encodes to the same fields again`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        for kind in Frame.Kind.allCases {
            let body = try random.message(kind).framed(session: 1).body
            for _ in 0..<600 {
                var damaged = body
                random.damage(&damaged, in: 0..<min(400, body.count))
                let frame = Frame(kind: kind, session: 1, body: damaged)
                guard let message = try? Message(frame) else { continue }
                let again = message.framed(session: 1).body
                #expect(isSame(damaged, again), "seed \(seed), kind \(kind)")
            }
        }
    }

    /// Whether the bodies have the same bytes, but for extensions: a reader passes over them.
    private func isSame(_ body: [UInt8], _ again: [UInt8]) -> Bool {
        guard body != again else { return true }
        let fields = again.dropLast()
        return again.last == 0 && body.starts(with: fields) && body[fields.count...].first != 0
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `noise is refused by every decoder`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<1000 {
            let noise = random.bytes(random.below(300))
            #expect(throws: WireError.self, "seed \(seed)") { try Frame(decoding: noise) }
            #expect(throws: WireError.self, "seed \(seed)") { try Segment(decoding: noise) }
            #expect(throws: WireError.self, "seed \(seed)") { try Genesis(decoding: noise) }
            for kind in Frame.Kind.allCases {
                _ = try? Message(Frame(kind: kind, session: 1, body: noise))
            }
        }
    }

    @Test func `a frame of a kind that this version does not know is whole, and no message`() throws
    {
        var bytes = Message.proof(try proof()).framed(session: 1).encoded()
        bytes[3] = 200
        let frame = try Frame(decoding: withChecksum(bytes))
        #expect(frame.kind == 200)
        #expect(try Message(frame) == nil)
    }

    @Test
    func
        `a frame of another version, of other flags or without the magic number is refused and says so`()
        throws
    {
        let bytes = Message.proof(try proof()).framed(session: 1).encoded()
        func reason(_ offset: Int, _ value: UInt8) -> WireError.Reason? {
            var damaged = bytes
            damaged[offset] = value
            do throws(WireError) {
                _ = try Frame(decoding: withChecksum(damaged))
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(reason(0, 0) == .badMagic)
        #expect(reason(2, 2) == .unknownVersion(2))
        #expect(reason(4, 2) == .invalid(what: "the frame's flags"))
        #expect(reason(16, 0xFF) == .truncated)
        #expect(reason(5, 1) == nil, "a reader passes over the reserved bytes")
    }

    @Test func `the most segments that one message may carry fill a frame exactly`() throws {
        var rest = SegmentsMessage.segmentBytesMax
        var segments: [[UInt8]] = []
        while rest > 4 {
            let count = min(
                SegmentHeader.segmentBytesMax, rest - SegmentsMessage.byteCount(ofSegment: 0))
            segments.append([UInt8](repeating: 7, count: count))
            rest -= SegmentsMessage.byteCount(ofSegment: count)
        }
        let tag = try StreamTag("k3f9qa2m")
        var content = SegmentsMessage(
            stream: tag, sentAt: Timestamp(microseconds: 1), attempt: 1, segments: segments)
        content.traces = [
            TraceContext(
                traceID: [UInt8](repeating: 2, count: 16), spanID: [UInt8](repeating: 3, count: 8),
                flags: 1)
        ]
        let message = Message.segments(content)
        let signature = Signature(bytes: [UInt8](repeating: 1, count: 64))
        let bytes = message.framed(session: 1, signature: signature).encoded()
        #expect(bytes.count == Frame.byteCountMax - rest)
        #expect(rest == 0)
        #expect(try Message(Frame(decoding: bytes)) == message)
        #expect(throws: WireError.self) { try Frame(decoding: bytes + [0]) }
    }

    @Test func `the longest segment alone, in its signed frame, fits a payload of 64 KiB`() {
        let body = 24 + SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax) + 1
        #expect(Frame.byteCount(body: body) <= 64 * 1024)
    }

    private func proof() throws -> Proof {
        Proof(stream: try StreamTag("k3f9qa2m"), head: ChainPoint(sequence: 1, hash: .zero))
    }

    // MARK: Signatures

    @Test func `no two kinds of signature cover the same content`() throws {
        let tag = try StreamTag("k3f9qa2m")
        let challenge = [UInt8](repeating: 5, count: Welcome.challengeByteCount)
        let proof = try proof().signedContent(challenge: challenge, greeting: .zero, session: 7)
        let segments = SegmentsMessage.signedContent(
            session: 7, stream: tag, sentAt: Timestamp(microseconds: 0), lastHash: .zero)
        let message = Message.proof(try self.proof()).framed(session: 7).signedContent(
            PlainSHA256())
        #expect(Set([proof, segments, message].map { $0.prefix(while: { $0 != 0 }) }).count == 3)
        #expect(proof.count == 19 + 32 + 32 + 8 + 8 + 8 + 32 + 1)
        #expect(segments.count == 21 + 1 + 8 + 8 + 8 + 32)
        #expect(message.count == 20 + 1 + 1 + 8 + 32)
    }

    @Test
    func
        `what a message's signature covers changes with its session, its kind and every byte of its body`()
        throws
    {
        let hasher = PlainSHA256()
        let frame = Frame(kind: .ack, session: 1, body: [1, 2, 3])
        let content = frame.signedContent(hasher)
        #expect(Frame(kind: .ack, session: 1, body: [1, 2, 3]).signedContent(hasher) == content)
        #expect(Frame(kind: .ack, session: 2, body: [1, 2, 3]).signedContent(hasher) != content)
        #expect(Frame(kind: .needs, session: 1, body: [1, 2, 3]).signedContent(hasher) != content)
        #expect(Frame(kind: .ack, session: 1, body: [1, 2, 4]).signedContent(hasher) != content)
    }
}
