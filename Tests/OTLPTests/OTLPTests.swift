import Foundation
import OTLP
import SwiftProtobuf
import TestSupport
import Testing

@Suite struct OTLPTests {
    @Test(arguments: 0..<50 as Range<UInt64>)
    func `whatever spans are written are read back as they were`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let traces = random.traces()
        let bytes: [UInt8] = try traces.serializedBytes()
        #expect(try OTLPTraces(serializedBytes: bytes) == traces, "seed \(seed)")
    }

    @Test func `a field that is not known is kept and written again`() throws {
        // Field 99, a varint of 7.
        let unknown: [UInt8] = [0x98, 0x06, 0x07]
        var span = OTLPSpan()
        span.name = "merge"
        let bytes: [UInt8] = try span.serializedBytes() + unknown
        let read = try OTLPSpan(serializedBytes: bytes)
        #expect(read.name == "merge")
        #expect(try read.serializedBytes() == bytes)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `cut or damaged bytes are refused or read, and never stop the process`(seed: UInt64) throws
    {
        var random = SplitMix64(seed: seed)
        var bytes: [UInt8] = try random.traces().serializedBytes()
        bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255))
        bytes.removeLast(random.below(bytes.count))
        _ = try? OTLPTraces(serializedBytes: bytes)
    }

    @Test func `a span is written, and read, as another implementation of the protocol does`()
        throws
    {
        let bytes: [UInt8] = try OTLPTraces.golden.serializedBytes()
        #expect(
            bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
                == OTLPTraces.goldenHex)
        #expect(try OTLPTraces(serializedBytes: bytes) == OTLPTraces.golden)
    }
}

extension OTLPTraces {
    /// A span with every field that we write.
    static var golden: OTLPTraces {
        var span = OTLPSpan()
        span.traceID = Data((0..<16).map { 0xA0 + $0 })
        span.spanID = Data((0..<8).map { 0xB0 + $0 })
        span.traceState = "vendor=1"
        span.parentSpanID = Data((0..<8).map { 0xC0 + $0 })
        span.name = "process up"
        span.kind = .consumer
        span.start = 1_760_000_000_000_000_001
        span.end = 1_760_000_000_000_002_500
        span.attributes = [
            OTLPKeyValue("messaging.system", .string("mqtt")),
            OTLPKeyValue("tributary.sequence.first", .int(-1)),
            OTLPKeyValue("tributary.ratio", .double(0.5)),
            OTLPKeyValue("tributary.first", .bool(true)),
            OTLPKeyValue(
                "tributary.list",
                .array([OTLPAnyValue(.string("a")), OTLPAnyValue(.int(2))])),
        ]
        span.droppedAttributes = 1
        var event = OTLPEvent()
        event.time = 1_760_000_000_000_001_000
        event.name = "conflict"
        event.attributes = [OTLPKeyValue("conflict.id", .int(12))]
        span.events = [event]
        var link = OTLPLink()
        link.traceID = Data((0..<16).map { 0xD0 + $0 })
        link.spanID = Data((0..<8).map { 0xE0 + $0 })
        link.flags = 1
        span.links = [link]
        span.droppedLinks = 3
        span.status.code = .error
        span.status.message = "late"
        span.flags = 1
        return OTLPTraces([
            OTLPResourceSpans(
                resource: OTLPResource(attributes: [
                    OTLPKeyValue("service.name", .string("tributary-aggregator"))
                ]),
                spans: [span], scope: OTLPScope(name: "tributary", version: "0.1.0"))
        ])
    }

    /// As OpenTelemetry's own messages for Python (opentelemetry-proto 1.45.2) write it.
    static let goldenHex = """
        0a8c030a280a260a0c736572766963652e6e616d6512160a147472696275746172792d6167677265
        6761746f7212df020a120a097472696275746172791205302e312e3012c8020a10a0a1a2a3a4a5a6
        a7a8a9aaabacadaeaf1208b0b1b2b3b4b5b6b71a0876656e646f723d312208c0c1c2c3c4c5c6c72a
        0a70726f636573732075703005390100b0d4acc66c1841c409b0d4acc66c184a1a0a106d65737361
        67696e672e73797374656d12060a046d7174744a270a187472696275746172792e73657175656e63
        652e6669727374120b18ffffffffffffffffff014a1c0a0f7472696275746172792e726174696f12
        0921000000000000e03f4a150a0f7472696275746172792e6669727374120210014a1d0a0e747269
        6275746172792e6c697374120b2a090a030a01610a02180250015a2609e803b0d4acc66c18120863
        6f6e666c6963741a110a0b636f6e666c6963742e69641202180c6a210a10d0d1d2d3d4d5d6d7d8d9
        dadbdcdddedf1208e0e1e2e3e4e5e6e7350100000070037a0812046c6174651802850101000000
        """.filter { !$0.isWhitespace }
}

extension SplitMix64 {
    mutating func traces() -> OTLPTraces {
        OTLPTraces(
            (0...below(3)).map { _ in
                OTLPResourceSpans(
                    resource: OTLPResource(attributes: attributes()),
                    spans: (0...below(4)).map { _ in span() }, scope: OTLPScope(name: word()))
            })
    }

    private mutating func span() -> OTLPSpan {
        var span = OTLPSpan()
        span.traceID = Data(bytes(16))
        span.spanID = Data(bytes(8))
        span.traceState = word()
        if oneIn(2) { span.parentSpanID = Data(bytes(8)) }
        span.name = word()
        span.kind = OTLPSpan.Kind(rawValue: UInt32(below(9)))
        span.start = next()
        span.end = next()
        span.attributes = attributes()
        span.droppedAttributes = UInt32(below(3))
        span.droppedLinks = UInt32(below(300))
        span.links = (0..<below(4)).map { _ in
            var link = OTLPLink()
            link.traceID = Data(bytes(16))
            link.spanID = Data(bytes(8))
            link.attributes = attributes()
            link.flags = UInt32(below(4))
            return link
        }
        span.events = (0..<below(3)).map { _ in
            var event = OTLPEvent()
            event.time = next()
            event.name = word()
            event.attributes = attributes()
            return event
        }
        if oneIn(3) {
            span.status.code = OTLPStatus.Code(rawValue: UInt32(below(3)))
            span.status.message = word()
        }
        span.flags = UInt32(below(1024))
        return span
    }

    private mutating func attributes() -> [OTLPKeyValue] {
        (0..<below(4)).map { _ in OTLPKeyValue(word(), value(depth: 0)) }
    }

    private mutating func value(depth: Int) -> OTLPAnyValue.Value {
        switch below(depth < 3 ? 6 : 5) {
        case 0: .string(word())
        case 1: .bool(oneIn(2))
        case 2: .int(Int64(bitPattern: next()))
        case 3: .double(Double(below(1000)) / 8)
        case 4: .bytes(Data(bytes(below(20))))
        default: .array((0..<below(3)).map { _ in OTLPAnyValue(value(depth: depth + 1)) })
        }
    }

    private mutating func word() -> String {
        text(bytesMax: 12)
    }
}
