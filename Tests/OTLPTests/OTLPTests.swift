import OTLP
import SwiftProtobuf
import Testing

@Suite struct OTLPTests {
    @Test func `a span is read back as it was written`() throws {
        var span = OTLPSpan()
        span.name = "merge"
        let bytes: [UInt8] = try span.serializedBytes()
        #expect(try OTLPSpan(serializedBytes: bytes) == span)
    }
}
