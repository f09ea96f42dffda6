/// Says where in the structure of a document a byte lies: `postings[0].amount`.
///
/// **Overview.** A reader that kept the path while reading would pay for it at each member of each
/// good document. This one walks the document again, up to the byte in question, once something is
/// wrong.
///
/// **Implementation.** It trusts that the bytes before that one are well-formed, because the reader
/// has passed them. It remembers where it stood, so that the paths of many refusals in one batch
/// cost one walk together, not one each.
struct JSONPathFinder {
    private enum Step {
        case object(name: Range<Int>?)
        case array(index: Int)
    }

    /// A longer name is cut in a path: an answer must not repeat a megabyte of its request.
    private static let nameBytesMax = 64

    private var position = 0
    private var steps: [Step] = []

    mutating func path(to offset: Int, in bytes: UnsafeBufferPointer<UInt8>) -> String {
        if offset < position { self = JSONPathFinder() }
        while position < offset, advance(before: offset, in: bytes) {}
        var steps = steps
        if case .object(name: nil)? = steps.last, offset < bytes.count,
            bytes[offset] == UInt8(ascii: "\"")
        {
            steps[steps.count - 1] = .object(name: offset..<Self.end(ofString: offset, in: bytes))
        }
        return Self.render(steps, in: bytes)
    }

    /// Passes one token. False if `offset` lies inside it.
    private mutating func advance(before offset: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Bool
    {
        switch bytes[position] {
        case UInt8(ascii: "{"): steps.append(.object(name: nil))
        case UInt8(ascii: "["): steps.append(.array(index: 0))
        case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = steps.popLast()
        case UInt8(ascii: ","): nextElement()
        case UInt8(ascii: "\""):
            let end = Self.end(ofString: position, in: bytes)
            guard end <= offset else { return false }
            if case .object(name: nil)? = steps.last {
                steps[steps.count - 1] = .object(name: position..<end)
            }
            position = end
            return true
        default: break
        }
        position += 1
        return true
    }

    private mutating func nextElement() {
        switch steps.last {
        case .object: steps[steps.count - 1] = .object(name: nil)
        case .array(let index): steps[steps.count - 1] = .array(index: index + 1)
        case nil: break
        }
    }

    /// The offset behind the closing quote, or the end of the document.
    private static func end(ofString start: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var position = start + 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(position + 1, bytes.count)
    }

    private static func render(_ steps: [Step], in bytes: UnsafeBufferPointer<UInt8>) -> String {
        var path = ""
        for step in steps {
            switch step {
            case .object(name: nil): break
            case .object(name: let range?):
                append(
                    name: UnsafeBufferPointer(rebasing: bytes[range.dropFirst().dropLast()]),
                    to: &path)
            case .array(let index): path += "[\(index)]"
            }
        }
        return path
    }

    /// `.name` for a plain name; `["any other"]`, as it stands in the document, for the rest.
    private static func append(name: UnsafeBufferPointer<UInt8>, to path: inout String) {
        let isPlain = !name.isEmpty && name.count <= nameBytesMax && name.allSatisfy(isPlain)
        if isPlain {
            append(member: String(decoding: name, as: UTF8.self), to: &path)
        } else if name.count <= nameBytesMax {
            path += "[\"\(String(decoding: name, as: UTF8.self))\"]"
        } else {
            // Cut before the first byte of a scalar, never inside one.
            var end = nameBytesMax
            while end > 0, name[end] & 0b1100_0000 == 0b1000_0000 { end -= 1 }
            path += "[\"\(String(decoding: name[..<end], as: UTF8.self))…\"]"
        }
    }

    static func append(member: String, to path: inout String) {
        if !path.isEmpty { path += "." }
        path += member
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
