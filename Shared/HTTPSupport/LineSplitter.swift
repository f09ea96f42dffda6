import NIOCore

/// One line of an NDJSON body.
package struct BodyLine: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        /// Without its newline.
        case text(ByteBuffer)
        /// It has more bytes than a line may have, and was passed over.
        case tooLong
    }

    /// Counted from 1, blank lines too, as an editor does.
    package let number: Int
    package let content: Content
}

/// Cuts a body, as it comes, into lines of bounded length.
///
/// **Function.** `append` what came, then take lines with `next` until there is none; at the body's
/// end, `last` is what stands behind the last newline. Blank lines are counted and passed over.
///
/// **Invariants.** Between two calls of `append` it holds no more than what was appended last and
/// one line.
package struct LineSplitter {
    private static let newline = UInt8(ascii: "\n")

    private let bytesMax: Int
    private var buffer = ByteBuffer()
    /// How far behind the reader index no newline is.
    private var searched = 0
    private var number = 0
    /// The line that is passed over, because it is too long, has not ended yet.
    private var isPassing = false

    /// - Parameter bytesMax: of a line, without its newline.
    package init(bytesMax: Int) {
        precondition(bytesMax > 0, "a line has room for something")
        self.bytesMax = bytesMax
    }

    package mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next line that has ended.
    package mutating func next() -> BodyLine? {
        while let length = lengthOfLine() {
            let wasPassed = isPassing
            isPassing = false
            searched = 0
            number += 1
            let text = buffer.readSlice(length: length)
            buffer.moveReaderIndex(forwardBy: 1)
            guard let text, !wasPassed, length <= bytesMax else {
                return BodyLine(number: number, content: .tooLong)
            }
            if !text.isBlank { return BodyLine(number: number, content: .text(text)) }
        }
        // What is already too long need not be kept until its end comes.
        if buffer.readableBytes > bytesMax {
            isPassing = true
            searched = 0
            buffer.clear()
        }
        return nil
    }

    /// What stands behind the last newline, where the body has ended: a line, too.
    package mutating func last() -> BodyLine? {
        if isPassing {
            isPassing = false
            buffer.clear()
            return BodyLine(number: number + 1, content: .tooLong)
        }
        guard let text = buffer.readSlice(length: buffer.readableBytes), !text.isBlank else {
            return nil
        }
        return BodyLine(number: number + 1, content: .text(text))
    }

    private mutating func lengthOfLine() -> Int? {
        let found = buffer.withUnsafeReadableBytes { bytes in
            bytes[searched...].firstIndex(of: LineSplitter.newline)
        }
        if found == nil { searched = buffer.readableBytes }
        return found
    }
}

extension ByteBuffer {
    /// Whether it is white space of JSON only.
    fileprivate var isBlank: Bool {
        withUnsafeReadableBytes { bytes in
            bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
        }
    }
}
