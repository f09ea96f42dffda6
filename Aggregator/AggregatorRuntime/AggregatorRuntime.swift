import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import Logging
import MQTTTransport
import Projection
import SegmentStore
import Signing
import SyncProtocol
import Synchronization
import TraceStore
import Workers

/// An aggregator without its HTTP interface: the data folder, the intake thread, the auditor and
/// the broker connection, composed.
package final class AggregatorRuntime: Sendable {
    package let configuration: AggregatorConfiguration
    let store: LedgerStore
    let intake: Intake
    let auditor: Auditor
    let projection: Projection
    private let projector: Projector
    let connection: MQTTConnection
    let health = WriteHealth()
    let feed: EventFeed
    let hasher = SHA256Hasher()
    let readers = ReaderThreads("ledger-reader", count: 2)
    /// Where spans are kept, or why they are not: the ledger does not wait for them.
    let traces: Result<TraceIntake, TraceStore.Failure>
    /// Held until the end, and let go of with `stop`.
    private let folder: Mutex<DataFolder?>
    private let logger: Logger

    static let databaseName = "aggregator.db"
    static let projectionName = "projection.db"

    /// How often the audit runs without being asked.
    private static let auditInterval: Duration = .seconds(60)

    /// Opens the data folder and starts the threads that work there. No agent hears of the
    /// aggregator before `start`.
    ///
    /// - Throws: `StoreError` for the folder and the database, `MQTTConfigurationError` for the
    ///   broker's address.
    /// - Parameter onBroken: called when the disk failed in a way after which nothing may be
    ///   written until a new start: whoever runs the aggregator ends and starts it anew.
    package init(
        _ configuration: AggregatorConfiguration, logger: Logger,
        onBroken: @escaping @Sendable (String) -> Void
    ) throws {
        self.configuration = configuration
        self.logger = logger
        let folder = try DataFolder(path: configuration.data)
        self.folder = Mutex(folder)
        try folder.refuse(ifThereIs: "agent.db", of: "an agent")
        let database = folder.file(AggregatorRuntime.databaseName)
        let signer = try DeviceKey.loadOrCreate(
            folder: configuration.data, unlessThereIs: FoundingMark.traces(of: database))
        var random = SystemRandomNumberGenerator()
        let genesis = Genesis(
            writer: .hub, ledger: configuration.ledger, agent: configuration.id,
            nonce: (0..<Genesis.nonceByteCount).map { _ in UInt8.random(in: 0...255, using: &random)
            },
            publicKey: signer.publicKey)
        store = try LedgerStore(path: database, hub: genesis, hasher: hasher)
        projection = Projection(path: folder.file(AggregatorRuntime.projectionName))
        let traces = AggregatorRuntime.openTraces(
            folder.file("traces.db"), configuration, logger)
        self.traces = traces
        feed = EventFeed(limits: configuration.limits)
        // The connection calls the intake, and the intake publishes through the connection:
        // whichever is made first gets the other through this.
        let handler = Handler()
        connection = try AggregatorRuntime.makeConnection(configuration, handler)
        let parts = Intake.Parts(
            store: store, origin: try store.load(),
            hub: Hub.Parts(
                limits: configuration.limits, hasher: hasher, verifier: Ed25519Verifier(),
                signer: signer, needsApproval: configuration.needsApproval),
            logger: logger, health: health, feed: feed,
            broken: onBroken, tracer: configuration.tracer,
            publish: { [connection, logger] message in
                switch connection.publish(message) {
                case .sent: return true
                case .notConnected, .windowFull: return false
                case .refused(let reason):
                    logger.error(
                        "message refused by the transport", metadata: ["mqtt.reason": "\(reason)"])
                    return false
                }
            },
            status: { [connection] in connection.status })
        let intake = Intake(parts)
        self.intake = intake
        let lateAuditor = LateAuditor()
        auditor = Auditor(
            store: store, limits: configuration.limits, hasher: hasher, logger: logger,
            interval: AggregatorRuntime.auditInterval
        ) {
            intake.post(.look { lateAuditor.audit($0) })
        }
        lateAuditor.set(auditor)
        handler.set { [logger] event in
            if case .message(let message) = event, Topics.isOfSpans(message.topic) {
                if case .success(let traces) = traces { traces.post(message) }
                return
            }
            if intake.post(.mqtt(event)) == .full {
                logger.warning("the intake is full: an event was dropped")
            }
        }
        projector = Projector(projection, following: FollowedStore(store), logger: logger)
    }

    /// Connects to the broker, and from then on stays so where it can. A second call does nothing.
    package func start() {
        connection.start()
    }

    private static func openTraces(
        _ path: String, _ configuration: AggregatorConfiguration, _ logger: Logger
    ) -> Result<TraceIntake, TraceStore.Failure> {
        do throws(TraceStore.Failure) {
            let store = try TraceStore(path: path, limits: configuration.traceLimits)
            return .success(TraceIntake(store, tracer: configuration.tracer, logger: logger))
        } catch {
            logger.error("no traces are kept", metadata: ["tracing.error": "\(error)"])
            return .failure(error)
        }
    }

    private static func makeConnection(
        _ configuration: AggregatorConfiguration, _ handler: Handler
    ) throws -> MQTTConnection {
        let broker = configuration.broker
        var limits = MQTTLimits()
        limits.backoffCap = .seconds(5)
        limits.breakerPause = .seconds(5)
        limits.stableAfter = .seconds(1)
        let mqtt = try MQTTConfiguration(
            url: broker.url, clientID: "aggregator-\(configuration.id)", username: broker.username,
            password: broker.password, tls: broker.tls,
            subscriptions: [Topics.allUp, Topics.allStatus, Topics.allSpans],
            limits: limits)
        return MQTTConnection(mqtt) { handler.call($0) }
    }

    /// Merges what has come, writes a last checkpoint, and closes the store. Blocks for some
    /// seconds at most.
    ///
    /// - Returns: whether everything ended in time.
    @discardableResult
    package func stop() -> Bool {
        let isMerged = intake.finish()
        feed.signal.end()
        connection.stop()
        auditor.stop()
        projector.stop()
        readers.stop()
        if let failure = store.close() {
            logger.error("closing the database", metadata: ["store.error": "\(failure)"])
        }
        if case .success(let traces) = traces { traces.finish() }
        folder.withLock { $0 = nil }
        return isMerged
    }
}

/// What the connection calls, set once before it starts.
///
/// The closure stands in a box: read out of the lock as itself, it would be wrapped anew, and the
/// wrapped one written back, at every read.
private final class Handler: Sendable {
    private struct Box: Sendable {
        let call: @Sendable (MQTTEvent) -> Void
    }

    private let box = Mutex<Box?>(nil)

    func set(_ call: @escaping @Sendable (MQTTEvent) -> Void) {
        box.withLock { $0 = Box(call: call) }
    }

    func call(_ event: MQTTEvent) {
        box.withLock { $0 }?.call(event)
    }
}

/// The auditor for a look that it asked for itself.
private final class LateAuditor: Sendable {
    private let auditor = Mutex<Auditor?>(nil)

    func set(_ auditor: Auditor) {
        self.auditor.withLock { $0 = auditor }
    }

    func audit(_ snapshot: Intake.Snapshot) {
        _ = auditor.withLock { $0 }?.post(Auditor.Request(snapshot: snapshot) { _ in })
    }
}
