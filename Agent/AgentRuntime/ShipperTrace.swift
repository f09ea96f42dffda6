import AgentCore
import LedgerCore
import Observability
import SyncProtocol
import Tracing

/// What of the shipper's work is traced: each message with its round trip, linked to the requests whose
/// events it carries.
///
/// **Overview.** A message is traced where one of its events is, else for some at random. `sync batch`
/// lasts until the acknowledgement, or until what it carried must be sent again; `send up` is the
/// handing over, and its context travels in the message.
///
/// **Implementation.** The commit thread says which events are to be traced. What it said before this
/// process started, or too long ago to be kept, is looked up in the segments themselves.
struct ShipperTrace {
    /// A message that is being sent.
    struct Sending {
        fileprivate let batch: TracedSpan
        fileprivate let send: TracedSpan
        fileprivate let first: UInt64
        fileprivate let last: UInt64
        /// For the message.
        let trace: TraceContext
    }

    private struct UnderWay {
        let batch: TracedSpan
        let first: UInt64
        let last: UInt64
    }

    private struct Attempt {
        let first: UInt64
        let last: UInt64
        let trace: TraceContext
    }

    /// Runs of events that are kept for sending: beyond, segments are looked through.
    private static let runsMax = 4096
    /// Attempts without an answer that the next one is linked to.
    private static let attemptsMax = 64

    private let tracer: TributaryTracer?
    private let stream: StreamTag
    private let topic: String
    /// In the order of their events.
    private var runs: [TracedRun] = []
    /// Of events up to this one, only the segments know which are traced.
    private var unknownThrough: UInt64
    private var underWay: [UnderWay] = []
    private var unanswered: [Attempt] = []
    private var batch = PostingBatch()

    init(_ tracer: TributaryTracer?, stream: StreamTag, topic: String, head: UInt64) {
        self.tracer = tracer
        self.stream = stream
        self.topic = topic
        unknownThrough = head
    }

    mutating func appended(_ new: [TracedRun]) {
        guard !new.isEmpty else { return }
        runs += new
        let surplus = runs.count - ShipperTrace.runsMax
        guard surplus > 0 else { return }
        unknownThrough = max(unknownThrough, runs[surplus - 1].last)
        runs.removeFirst(surplus)
    }

    // MARK: Sending

    /// - Returns: nil where the message is not traced.
    mutating func begin(_ parcel: SegmentsParcel) -> Sending? {
        let stored = parcel.segments
        let attempt = parcel.attempt
        guard let tracer, let header = stored.first?.segment.header else { return nil }
        let first = header.firstSequence
        let last = stored.reduce(first) { max($0, $1.segment.header.lastSequence) }
        let linked = traces(from: first, through: last, stored)
        guard let context = linked.isEmpty ? tracer.context(for: nil) : tracer.recorded(nil) else {
            return nil
        }
        let start = SpanInstant.now
        let batch = tracer.startSpan("sync batch", context: context, ofKind: .internal, at: start)
        describe(batch, first, last, stored, attempt)
        batch.link(to: unanswered.filter { $0.first <= last && first <= $0.last }.map(\.trace))
        unanswered.removeAll { $0.first <= last && first <= $0.last }
        let send = tracer.startSpan(
            "send up", context: batch.context, ofKind: .client, at: SpanInstant.now)
        describe(send, first, last, stored, attempt)
        send.updateAttributes { attributes in
            attributes["messaging.system"] = "mqtt"
            attributes["messaging.operation.name"] = "send"
            attributes["messaging.operation.type"] = "send"
            attributes["messaging.destination.name"] = topic
        }
        send.link(to: linked.prefix(tracer.limits.linksMax))
        send.countDroppedLinks(max(0, linked.count - tracer.limits.linksMax))
        guard let trace = send.context.trace else { preconditionFailure("a span has a context") }
        return Sending(batch: batch, send: send, first: first, last: last, trace: trace)
    }

    private func describe(
        _ span: TracedSpan, _ first: UInt64, _ last: UInt64,
        _ stored: [SealedSegment], _ attempt: UInt32
    ) {
        span.updateAttributes { attributes in
            attributes[TraceAttribute.stream] = stream.description
            attributes[TraceAttribute.first] = Int64(clamping: first)
            attributes[TraceAttribute.last] = Int64(clamping: last)
            attributes[TraceAttribute.attempt] = Int64(attempt)
            attributes[TraceAttribute.segments] = stored.count
            attributes[TraceAttribute.bytes] = stored.reduce(0) { $0 + $1.segment.bytes.count }
        }
    }

    /// The traces of the events, without repetitions of neighbours.
    private mutating func traces(
        from first: UInt64, through last: UInt64, _ stored: [SealedSegment]
    ) -> [TraceContext] {
        var found: [TraceContext] = []
        if first <= unknownThrough {
            for one in stored where one.segment.header.firstSequence <= unknownThrough {
                batch.read(one.segment)
                for trace in batch.traces where found.last != trace { found.append(trace) }
            }
        }
        for run in runs where run.last >= first && run.first <= last && run.last > unknownThrough {
            if found.last != run.trace { found.append(run.trace) }
        }
        return found
    }

    /// The transport has taken the message, or has not.
    mutating func sent(_ sending: Sending?, isHandedOver: Bool) {
        guard let sending else { return }
        guard isHandedOver else {
            sending.send.discard()
            return sending.batch.discard()
        }
        sending.send.end()
        underWay.append(
            UnderWay(batch: sending.batch, first: sending.first, last: sending.last))
    }

    // MARK: Answers

    /// What was under way beyond an event is uncertain, and will be sent again.
    mutating func lost(beyond sequence: UInt64) {
        for one in underWay where one.last > sequence {
            one.batch.setStatus(SpanStatus(code: .error, message: "not acknowledged"))
            one.batch.end()
            guard let trace = one.batch.context.trace else { continue }
            unanswered.append(Attempt(first: one.first, last: one.last, trace: trace))
        }
        underWay.removeAll { $0.last > sequence }
        unanswered.removeFirst(max(0, unanswered.count - ShipperTrace.attemptsMax))
    }

    /// An acknowledgement came.
    mutating func settle(_ ack: Ack) {
        for span in settling(ack) { span.end() }
        let through = ack.through.sequence
        for one in underWay where one.last <= through { one.batch.end() }
        underWay.removeAll { $0.last <= through }
        unanswered.removeAll { $0.last <= through }
        if let keep = runs.firstIndex(where: { $0.last > through }) {
            runs.removeFirst(keep)
        } else {
            runs.removeAll(keepingCapacity: true)
        }
    }

    private func settling(_ ack: Ack) -> [TracedSpan] {
        guard let tracer, !ack.traces.isEmpty else { return [] }
        return ack.traces.compactMap { trace in
            guard let context = tracer.context(for: trace) else { return nil }
            let span = tracer.startSpan(
                "settle", context: context, ofKind: .consumer, at: SpanInstant.now)
            span.updateAttributes { attributes in
                attributes["messaging.system"] = "mqtt"
                attributes["messaging.operation.name"] = "settle"
                attributes["messaging.operation.type"] = "settle"
                attributes[TraceAttribute.stream] = stream.description
                attributes["tributary.acknowledged"] = Int64(clamping: ack.through.sequence)
            }
            return span
        }
    }
}
