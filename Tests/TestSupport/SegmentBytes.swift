import LedgerCore
import SyncProtocol

/// A segment taken apart and put together again by the layout that the `WireFormat` article gives,
/// so that a test can damage one part and leave the rest right.
package struct SegmentBytes {
    package var header: [UInt8]
    package var definitions: [UInt8]
    package var events: [UInt8]

    package init(_ segment: Segment) {
        let definitionsEnd = SegmentHeader.byteCount + Int(segment.header.definitionsByteCount)
        header = Array(segment.bytes[..<SegmentHeader.byteCount])
        definitions = Array(segment.bytes[SegmentHeader.byteCount..<definitionsEnd])
        events = Array(
            segment.bytes[definitionsEnd..<segment.bytes.count - SegmentHeader.trailerByteCount])
    }

    /// The parts with lengths and checksum made right.
    package func assembled() -> [UInt8] {
        var bytes = header
        bytes.replaceSubrange(92..<96, with: SegmentBytes.littleEndian(UInt32(definitions.count)))
        bytes.replaceSubrange(96..<100, with: SegmentBytes.littleEndian(UInt32(events.count)))
        return withChecksum(bytes + definitions + events + [0, 0, 0, 0])
    }

    /// The events' contents, each with its length in front.
    package func eventRanges() -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var offset = 0
        while offset < events.count {
            var length = 0
            var shift = 0
            var byte: UInt8
            repeat {
                byte = events[offset]
                length |= Int(byte & 0x7F) << shift
                shift += 7
                offset += 1
            } while byte >= 0x80
            ranges.append(offset..<offset + length)
            offset += length
        }
        return ranges
    }

    package static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
