import LedgerCore
import OTLP

/// A span as it is kept: with the process that made it.
package struct ArchivedSpan: Sendable, Hashable {
    package let service: String
    package let instance: String
    package let span: OTLPSpan

    package init(service: String, instance: String, span: OTLPSpan) {
        self.service = service
        self.instance = instance
        self.span = span
    }
}

/// Why traces cannot be read now.
package enum TraceArchiveFailure: Error, Hashable, Sendable {
    case overloaded
    case unavailable(detail: String)
}

/// What serves traces needs of what keeps them. They meet here and nowhere else.
package protocol TraceArchive: Sendable {
    /// All spans of a trace, the earliest first; empty where none is kept.
    ///
    /// - Parameter id: 16 bytes.
    func trace(_ id: [UInt8]) async throws(TraceArchiveFailure) -> [ArchivedSpan]
    /// The traces that tell of a transaction, the earliest first, 16 bytes each.
    func traces(of transaction: EventID) async throws(TraceArchiveFailure) -> [[UInt8]]
}

/// Names of attributes that more than one place writes or reads. The rest of the names is
/// OpenTelemetry's own.
package enum TraceAttribute {
    /// The stream whose events a span is about, and the numbers of the first and the last of them.
    package static let stream = "tributary.stream"
    package static let first = "tributary.sequence.first"
    package static let last = "tributary.sequence.last"
    package static let transaction = "tributary.transaction.id"
    package static let events = "tributary.events"
    package static let bytes = "tributary.bytes"
    package static let segments = "tributary.segments"
    package static let attempt = "tributary.attempt"
}
