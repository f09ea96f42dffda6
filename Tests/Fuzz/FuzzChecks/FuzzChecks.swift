import LedgerCore
import SyncProtocol
import TestSupport

/// What must hold of any bytes whatever: each check takes an input of a fuzzer and traps where it
/// does not.
///
/// A checksum would keep a fuzzer out, so it is not part of an input: the checks put it behind.
package enum FuzzChecks {
    /// A frame without its checksum: refused, or encoded again to the same bytes but for what
    /// readers pass over, as is the message in it.
    package static func frame(_ input: [UInt8]) {
        let bytes = TestSupport.withChecksum(input + [0, 0, 0, 0])
        guard let frame = try? Frame(decoding: bytes) else { return }
        precondition(frame.encoded().count == bytes.count, "a frame changed its length")
        precondition((try? Frame(decoding: frame.encoded())) == frame, "a frame changed")
        message(frame)
    }

    /// The number of a frame's kind, and a message's body of that kind.
    package static func message(_ input: [UInt8]) {
        guard let first = input.first, let kind = Frame.Kind(rawValue: first) else { return }
        message(Frame(kind: kind, session: 1, body: Array(input.dropFirst())))
    }

    private static func message(_ frame: Frame) {
        guard let message = try? Message(frame) else { return }
        let again = message.framed(session: frame.session, signature: frame.signature)
        precondition((try? Message(again)) == message, "a message changed")
        if case .segments(let segments) = message {
            for bytes in segments.segments { check(segment: bytes) }
        }
    }

    /// A segment without its checksum: refused, or read the same way by every reader.
    package static func segment(_ input: [UInt8]) {
        check(segment: TestSupport.withChecksum(input + [0, 0, 0, 0]))
    }

    private static func check(segment bytes: [UInt8]) {
        guard let segment = try? Segment(decoding: bytes) else { return }
        precondition(segment.bytes == bytes && segment.header.byteCount == bytes.count)
        precondition(segment.hubEvents().count == Int(segment.header.count))
        guard let definitions = try? segment.definitions() else { return }
        precondition(definitions.count == Int(segment.header.definitionCount))
        let before = Int(segment.header.definitionCountBefore)
        let events = segment.events { number in
            let index = Int(number) - before
            return definitions.indices.contains(index) ? definitions[index] : nil
        }
        check(events, of: segment)
    }

    /// What the merge takes, the reader for people takes too, but for names, which the merge looks
    /// up afterwards; what both set aside they set aside for good.
    private static func check(_ events: [ReadEvent], of segment: Segment) {
        precondition(events.map(\.sequence) == Array(segment.header.sequences))
        var batch = PostingBatch()
        batch.read(segment)
        let merged = Set(batch.items.map(\.sequence))
        let setAside = Set(batch.setAside.map(\.sequence))
        precondition(merged.isDisjoint(with: setAside))
        precondition(merged.union(setAside) == Set(segment.header.sequences))
        for case .event(let event) in events {
            precondition(merged.contains(event.sequence), "read, and not merged")
        }
    }
}
