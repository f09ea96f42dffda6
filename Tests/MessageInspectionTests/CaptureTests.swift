import LedgerCore
import MessageInspection
import TestSupport
import Testing

@Suite struct CaptureTests {
    private static let begun = Timestamp(microseconds: 1_760_000_000_000_000)

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `what was captured is read back as it was`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let messages = random.messages()
        let file = Self.file(messages)
        let reading = try Self.read(file)
        #expect(reading.messages == messages, "seed \(seed)")
        #expect(reading.damage == nil, "seed \(seed)")
        #expect(reading.begun == Self.begun)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a flipped bit is named within its record, and what lies before it stands`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let messages = random.messages()
        var file = Self.file(messages)
        let place = random.below(file.count)
        file[place] ^= 1 << UInt8(random.below(8))
        let starts = Self.starts(of: messages)
        let reading = try Self.read(file)
        let damage = try #require(reading.damage, "seed \(seed): byte \(place)")
        let record = starts.lastIndex { $0 <= place }
        // The reserved bytes of the header are passed over, but its checksum covers them.
        guard let record else {
            #expect(damage.offset < CaptureFormat.headerByteCount, "seed \(seed)")
            return
        }
        #expect(reading.messages == Array(messages[..<record]), "seed \(seed)")
        #expect((starts[record]...place).contains(damage.offset), "seed \(seed): \(damage)")
    }

    @Test func `a file that ends too early is told at every length, with its whole records`() throws
    {
        var random = SplitMix64(seed: 7)
        let messages = random.messages(count: 4, payloadMax: 40)
        let file = Self.file(messages)
        let starts = Self.starts(of: messages) + [file.count]
        for length in 0..<file.count {
            let reading = try Self.read(Array(file[..<length]))
            let whole = starts.lastIndex { $0 <= length } ?? 0
            #expect(reading.messages == Array(messages[..<whole]), "\(length)")
            if starts.contains(length) {
                #expect(reading.damage == nil, "\(length)")
            } else {
                let damage = try #require(reading.damage, "\(length)")
                #expect(damage.isTruncated && damage.offset <= length, "\(length): \(damage)")
            }
        }
    }

    @Test func `what is no capture, and one of another version, say so`() throws {
        let text = try Self.read(Array("TCXP: something else".utf8))
        #expect(text.damage?.offset == 2)
        #expect(
            text.damage?.description
                == "at byte 2: it does not begin with \"TCAP\": this is no capture")
        var file = Self.file([])
        file[4] = 2
        let newer = try Self.read(withChecksum(file))
        #expect(
            newer.damage?.description
                == "at byte 4: the format version is 2, and only 1 is known here")
    }

    @Test func `no length is believed that cannot be`() throws {
        for length: UInt32 in [0, 10, 1_114_123, .max] {
            let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
            let damage = try Self.read(Self.file([]) + bytes + [1, 2, 3]).damage
            #expect(damage?.offset == CaptureFormat.headerByteCount, "\(length)")
            #expect(damage?.isTruncated == false, "\(length)")
        }
    }

    // MARK: Files

    private struct Reading {
        var begun: Timestamp?
        var messages: [CapturedMessage] = []
        var damage: CaptureDamage?
    }

    private static func file(_ messages: [CapturedMessage]) -> [UInt8] {
        messages.reduce(CaptureFormat.header(createdAt: begun)) {
            $0 + CaptureFormat.record($1)
        }
    }

    /// The first byte of each record.
    private static func starts(of messages: [CapturedMessage]) -> [Int] {
        var starts: [Int] = []
        var offset = CaptureFormat.headerByteCount
        for message in messages {
            starts.append(offset)
            offset += CaptureFormat.record(message).count
        }
        return starts
    }

    private static func read(_ file: [UInt8]) throws -> Reading {
        var offset = 0
        var reading = Reading()
        do {
            var reader = try CaptureReader { count in
                let end = min(offset + count, file.count)
                defer { offset = end }
                return Array(file[offset..<end])
            }
            reading.begun = reader.createdAt
            while let message = try reader.next() { reading.messages.append(message) }
        } catch let damage as CaptureDamage {
            reading.damage = damage
        }
        return reading
    }
}

extension SplitMix64 {
    fileprivate mutating func messages(
        count: Int = 12, payloadMax: Int = 2_000
    ) -> [CapturedMessage] {
        (0..<count).map { number in
            CapturedMessage(
                at: Timestamp(microseconds: Int64(1_760_000_000_000_000 + number * 1_000)),
                topic: ["tributary/v1/up/3/till-1", "t/größe", "t"][below(3)],
                isRetained: below(2) == 1,
                payload: (0..<below(payloadMax)).map { _ in UInt8(truncatingIfNeeded: next()) })
        }
    }
}
