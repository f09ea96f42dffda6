import Foundation
import LedgerCore
import MessageInspection
import SyncProtocol
import TestSupport
import Testing

@Suite struct InspectedMessageTests {
    private static let hasher = PlainSHA256()

    @Test func `every kind of frame of the wire format is told in words, with its details`() throws
    {
        var kinds: Set<UInt8> = []
        for (name, bytes) in try goldenFrames() {
            let message = InspectedMessage(payload: bytes, Self.hasher)
            let kind = try #require(message.kindNumber, "\(name)")
            kinds.insert(kind)
            #expect(message.flaw == nil, "\(name): \(message.words.summary)")
            #expect(!message.kind.hasPrefix("kind "), "\(name) has no words of its own")
            #expect(!message.words.summary.isEmpty && !message.words.details.isEmpty, "\(name)")
            #expect(!message.words.summary.contains("\n"), "\(name)")
        }
        #expect(kinds == Set(Frame.Kind.allCases.map(\.rawValue)))
    }

    @Test func `an acknowledgement says through where, of which stream, and when`() throws {
        let bytes = try #require(try goldenFrames()["frame-ack"])
        let message = InspectedMessage(payload: bytes, Self.hasher)
        guard case .ack(let ack) = try Message(Frame(decoding: bytes)) else {
            Issue.record("the golden acknowledgement is none")
            return
        }
        #expect(message.kind == "ack" && message.session == 5)
        #expect(message.words.summary == "through \(ack.through.sequence) of \(ack.stream)")
        let names = message.words.details.map(\.name)
        #expect(names.first == "stream" && names.suffix(2) == ["received", "committed"])
    }

    @Test func `a watermark says through when the stream is complete, in few words`() throws {
        let bytes = try #require(try goldenFrames()["frame-watermark"])
        guard case .watermark(var watermark) = try Message(Frame(decoding: bytes)) else {
            Issue.record("the golden watermark is none")
            return
        }
        watermark.acknowledged = ChainPoint(sequence: 4, hash: watermark.acknowledged.hash)
        let time = Timestamp(microseconds: 1_795_278_793_494_117)
        watermark.through = HybridTimestamp(time)
        watermark.sentAt = time
        let payload = Message.watermark(watermark).framed(session: 5).encoded()
        let message = InspectedMessage(payload: payload, Self.hasher)
        #expect(message.words.summary == "acked 4, complete through 16:33:13.494")
        watermark.sentAt = Timestamp(microseconds: time.microseconds + 86_400_000_000)
        let later = Message.watermark(watermark).framed(session: 5).encoded()
        #expect(
            InspectedMessage(payload: later, Self.hasher).words.summary
                .hasPrefix("acked 4, complete through 2026-11-21T16:33:13.494"))
    }

    @Test func `a kind that is not known is told by its number and its length`() throws {
        var bytes = Frame(kind: .status, session: 3, body: [1, 2, 3]).encoded()
        bytes[3] = 0xC8
        let message = InspectedMessage(payload: withChecksum(bytes), Self.hasher)
        #expect(message.kind == "kind 200" && message.kindNumber == 200)
        #expect(message.words.summary == "3 bytes of a kind that this version does not know")
        #expect(message.flaw == nil)
    }

    @Test func `what is no frame, and a frame without its body, say what is wrong and where`()
        throws
    {
        let empty = InspectedMessage(payload: [], Self.hasher)
        #expect(empty.kind == "empty" && empty.flaw == nil)
        let text = InspectedMessage(payload: Array("hello, world".utf8), Self.hasher)
        #expect(text.kind == "unreadable" && text.kindNumber == nil)
        #expect(
            text.flaw == "does not start with the format's magic number (at byte 2)",
            "\(text.flaw ?? "")")
        let hollow = InspectedMessage(
            payload: Frame(kind: .ack, session: 3, body: []).encoded(), Self.hasher)
        #expect(hollow.kind == "kind 17" && hollow.flaw?.contains("ends too early") == true)
    }

    @Test func `a damaged segment in a sound frame is named, and the others are told`() throws {
        let bytes = try #require(try goldenFrames()["frame-segments"])
        let frame = try Frame(decoding: bytes)
        guard case .segments(var message) = try Message(frame) else {
            Issue.record("the golden segments are none")
            return
        }
        var damaged = message.segments[0]
        damaged[40] ^= 1
        message.segments.append(damaged)
        let inspected = InspectedMessage(
            payload: Message.segments(message).framed(session: 5).encoded(), Self.hasher)
        let count = message.segments.count
        #expect(inspected.flaw?.hasPrefix("segment \(count) of \(count): ") == true)
        #expect(inspected.words.details.count { $0.name == "segment" } == count)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the bytes are, they are told`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for (_, bytes) in try goldenFrames().sorted(by: { $0.key < $1.key }) {
            var damaged = bytes
            random.damage(&damaged, in: 0..<damaged.count)
            for payload in [damaged, damaged.count >= 4 ? withChecksum(damaged) : damaged] {
                let message = InspectedMessage(payload: payload, Self.hasher)
                #expect(!message.kind.isEmpty && !message.words.summary.isEmpty, "seed \(seed)")
            }
        }
    }
}

/// The golden files of the wire format: a frame of every kind.
func goldenFrames() throws -> [String: [UInt8]] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
    let folder = tests.appendingPathComponent("SyncProtocolTests/Golden")
    let files = try FileManager.default.contentsOfDirectory(
        at: folder, includingPropertiesForKeys: nil)
    var frames: [String: [UInt8]] = [:]
    for file in files where file.lastPathComponent.hasPrefix("frame-") {
        let text = try String(contentsOf: file, encoding: .utf8)
        let lines = text.split(separator: "\n").map { $0.prefix { $0 != "#" } }
        let bytes = lines.joined(separator: " ").split(separator: " ").map { UInt8($0, radix: 16) }
        frames[file.deletingPathExtension().lastPathComponent] = bytes.compactMap(\.self)
    }
    try #require(!frames.isEmpty, "no golden frames in \(folder.path)")
    return frames
}
