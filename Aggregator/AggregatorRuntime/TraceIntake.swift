import LedgerCore
import Logging
import MQTTTransport
import OTLP
import Observability
import SwiftProtobuf
import SyncProtocol
import Synchronization
import TraceStore
import Workers

/// The thread that stores spans: those that agents send, and the aggregator's own.
///
/// It shares nothing with the intake but the connection: where it cannot follow, spans are dropped and
/// counted, and money does not wait.
final class TraceIntake: Sendable {
    /// Messages of spans that may wait: some megabytes.
    private static let queueMax = 64
    /// How often the aggregator's own spans are stored, and how many at a time.
    private static let interval: Duration = .milliseconds(200)
    private static let ownSpansMax = 4096
    /// How often old spans are deleted, in microseconds.
    private static let pruneInterval: Int64 = 10_000_000

    let store: TraceStore
    private let tracer: TributaryTracer?
    private let logger: Logger
    private let mailbox = Mailbox<MQTTMessage>(capacity: TraceIntake.queueMax)
    private let thread = Mutex<WorkerThread?>(nil)
    private let brokenCount = Atomic<UInt64>(0)
    private let overflowCount = Atomic<UInt64>(0)

    init(_ store: TraceStore, tracer: TributaryTracer?, logger: Logger) {
        self.store = store
        self.tracer = tracer
        self.logger = logger
        let started = WorkerThread("traces") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Messages that could not be decoded or stored, since the start.
    var broken: UInt64 { brokenCount.load(ordering: .relaxed) }

    /// Messages that came too fast to be stored, since the start.
    var overflowing: UInt64 { overflowCount.load(ordering: .relaxed) }

    func post(_ message: MQTTMessage) {
        if mailbox.post(message) != .taken { overflowCount.add(1, ordering: .relaxed) }
    }

    /// Stores what waits.
    func finish() {
        mailbox.close()
        _ = thread.withLock { $0 }?.join(atMost: .seconds(2))
        do {
            try store.close()
        } catch {
            logger.warning("closing the traces", metadata: ["tracing.error": "\(error)"])
        }
    }

    private func run() {
        var prunedAt = Timestamp(microseconds: 0)
        while let messages = mailbox.take(patience: TraceIntake.interval) {
            for message in messages { store(message) }
            storeOwn()
            let now = WallClock.now()
            guard now.microseconds(since: prunedAt) >= TraceIntake.pruneInterval else { continue }
            prunedAt = now
            prune(now)
        }
        storeOwn()
    }

    private func store(_ message: MQTTMessage) {
        guard let agent = Topics.agent(ofTopic: message.topic) else { return }
        do {
            let frame = try Frame(decoding: message.payload)
            guard case .spans(let content)? = try Message(frame) else { return }
            for resource in try OTLPTraces(serializedBytes: content.spans).resourceSpans {
                // Which agent it is, the topic says: the broker's access rules make it true.
                let service = resource.resource.attributes.string("service.name")
                try store.insert(
                    resource.spans, service: service ?? "unknown_service",
                    instance: agent.description, now: WallClock.now())
            }
        } catch {
            brokenCount.add(1, ordering: .relaxed)
            logger.warning(
                "spans were dropped",
                metadata: ["agent.id": "\(agent)", "tracing.error": "\(error)"])
        }
    }

    private func storeOwn() {
        guard let tracer else { return }
        let spans = tracer.spool.take(countMax: TraceIntake.ownSpansMax)
        guard !spans.isEmpty else { return }
        let attributes = tracer.resource.attributes
        do throws(TraceStore.Failure) {
            try store.insert(
                spans, service: attributes.string("service.name") ?? "unknown_service",
                instance: attributes.string("service.instance.id") ?? "", now: WallClock.now())
        } catch {
            logger.warning("spans were dropped", metadata: ["tracing.error": "\(error)"])
        }
    }

    private func prune(_ now: Timestamp) {
        do throws(TraceStore.Failure) {
            while try store.prune(now: now) >= store.limits.spansPerPruneMax {}
        } catch {
            logger.warning("old spans were kept", metadata: ["tracing.error": "\(error)"])
        }
    }
}
