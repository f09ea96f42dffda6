import LedgerCore

/// Spans of an agent, on their way to where traces are kept. May be lost: nothing waits for it.
package struct SpansMessage: Hashable, Sendable {
    /// Of the body before the spans, and behind them: the list of extensions, empty.
    private static let fieldsByteCount = 8 + 8 + 4 + 1
    /// What the spans may take, in bytes.
    package static let traceBytesMax =
        Frame.byteCountMax - Frame.byteCount(body: fieldsByteCount)

    /// By the agent's clock.
    package var sentAt: Timestamp
    /// Spans that the agent had to drop since its process started.
    package var dropped: UInt64
    /// An OpenTelemetry `TracesData` message.
    package var spans: [UInt8]

    /// - Precondition: at most `traceBytesMax` bytes.
    package init(sentAt: Timestamp, dropped: UInt64, spans: [UInt8]) {
        precondition(
            spans.count <= SpansMessage.traceBytesMax,
            "the spans of a message take at most \(SpansMessage.traceBytesMax) bytes, "
                + "not \(spans.count)")
        self.sentAt = sentAt
        self.dropped = dropped
        self.spans = spans
    }
}

// MARK: Bytes

extension SpansMessage: FrameBody {
    package static let kind = Frame.Kind.spans

    func encode(into writer: inout ByteWriter) {
        writer.fixed(sentAt.microseconds)
        writer.fixed(dropped)
        writer.fixed(UInt32(spans.count))
        writer.raw(spans)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        sentAt = Timestamp(microseconds: try reader.fixed())
        dropped = try reader.fixed()
        let length: UInt32 = try reader.fixed()
        spans = try reader.raw(length)
    }
}
