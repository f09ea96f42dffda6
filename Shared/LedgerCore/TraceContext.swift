/// A W3C trace context (w3.org/TR/trace-context), as it came with the request: kept with the event
/// and passed on.
package struct TraceContext: Hashable, Sendable {
    /// Of `tracestate`; what is longer is left out, as the recommendation allows.
    package static let stateBytesMax = 512

    /// Of the flags: whoever called records its part of the trace (section 3.2.2.3).
    package static let sampledFlag: UInt8 = 1

    /// 16 bytes, not all zero.
    package let traceID: [UInt8]
    /// 8 bytes, not all zero.
    package let spanID: [UInt8]
    package let flags: UInt8
    package let state: String

    /// - Precondition: `areIDs(traceID, spanID)`.
    package init(traceID: [UInt8], spanID: [UInt8], flags: UInt8, state: String = "") {
        precondition(
            TraceContext.areIDs(traceID, spanID),
            "a trace id has 16 bytes and a span id 8, and neither is all zero")
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
        self.state = state.utf8.count <= TraceContext.stateBytesMax ? state : ""
    }

    /// Whether the trace is recorded.
    package var isSampled: Bool { flags & TraceContext.sampledFlag != 0 }

    /// Whether these make a trace context: 16 and 8 bytes, neither all zero (sections 3.2.2.3 and
    /// 3.2.2.4).
    package static func areIDs(_ traceID: [UInt8], _ spanID: [UInt8]) -> Bool {
        traceID.count == 16 && spanID.count == 8 && traceID.contains { $0 != 0 }
            && spanID.contains { $0 != 0 }
    }
}
