import LedgerCore
import MQTTTransport
import OTLP
import Observability
import SwiftProtobuf
import SyncProtocol

/// Sends the spans that wait, now and then, and only while that delays no money.
///
/// **Invariants.** Nothing is sent but in a session in which the aggregator answers: a message that
/// waits at the broker for an aggregator that is gone would take the place of a segment there. One
/// message an interval at most.
struct SpanShipping {
    /// In microseconds.
    private static let interval: Int64 = 200_000

    private let tracer: TributaryTracer?
    private let topic: String
    private var lastSentAt = SteadyTime(microseconds: 0)
    private var hasAnswer = false

    init(_ tracer: TributaryTracer?, agent: AgentID) {
        self.tracer = tracer
        topic = Topics.spans(agent)
    }

    /// The aggregator answered: it is there.
    mutating func acknowledged() {
        hasAnswer = true
    }

    /// Spans that are being sent.
    struct Parcel {
        let message: MQTTMessage
        fileprivate let spans: [OTLPSpan]
    }

    /// The next message, if there is one and now is the time.
    ///
    /// - Parameter isIdle: whether nothing waits for an acknowledgement.
    mutating func next(now: ClockReading, isIdle: Bool) throws -> Parcel? {
        guard let tracer, isIdle || hasAnswer,
            now.steady.microseconds(since: lastSentAt) >= SpanShipping.interval
        else { return nil }
        let spans = tracer.spool.take(
            countMax: tracer.limits.spansPerMessageMax,
            byteCountMax: tracer.limits.messageBytesMax)
        guard !spans.isEmpty else { return nil }
        lastSentAt = now.steady
        hasAnswer = false
        let resource = OTLPResourceSpans(
            resource: tracer.resource, spans: spans, scope: OTLPScope(name: "tributary"))
        let bytes: [UInt8] = try OTLPTraces([resource]).serializedBytes()
        // The estimate of their size is a bound for what we write ourselves.
        guard bytes.count <= SpansMessage.traceBytesMax else { return nil }
        let message = Message.spans(
            SpansMessage(sentAt: now.wall, dropped: tracer.spool.dropped, spans: bytes))
        let payload = message.framed(session: 0).encoded()
        return Parcel(message: MQTTMessage(topic: topic, payload: payload), spans: spans)
    }

    /// The transport did not take it: the spans wait again.
    func refused(_ parcel: Parcel) {
        tracer?.spool.putBack(parcel.spans)
    }
}
