import AgentCore
import AgentStore
import LedgerCore
import Logging
import MQTTTransport
import SegmentStore
import Signing
import SyncProtocol
import Synchronization
import Workers

/// An agent without its HTTP interface: the data folder, the commit thread, the shipper and the
/// broker connection, composed.
///
/// **Function.** Make one, `start` it, `record`, `stop` it. It works without a broker from the
/// first moment on.
package final class AgentRuntime: Sendable {
    package let configuration: AgentConfiguration
    let store: AgentStore
    let board: SyncBoard
    let metrics = AgentMetrics()
    let commits: CommitThread
    let connection: MQTTConnection?
    let hasher = SHA256Hasher()
    let readers = ReaderThreads("agent-reader", count: 2)
    /// Receipts were written, or the connection has changed.
    let signal = ChangeSignal()
    /// Held until the end, and let go of with `stop`.
    private let folder: Mutex<DataFolder?>
    let shipper: Shipper
    private let shipping: WorkerThread?
    private let logger: Logger
    private let signer: Ed25519Signer

    /// Opens the data folder and starts the threads that write. Nobody else hears of the agent
    /// before `start`.
    ///
    /// - Parameter onBroken: called when the disk failed in a way after which nothing may be
    ///   written until a new start: whoever runs the agent ends and starts it anew.
    /// - Throws: `StoreError` for the folder and the database, `MQTTConfigurationError` for the
    ///   broker's address.
    package init(
        _ configuration: AgentConfiguration, logger: Logger,
        onBroken: @escaping @Sendable (String) -> Void
    ) throws {
        self.configuration = configuration
        self.logger = logger
        let folder = try DataFolder(path: configuration.data)
        self.folder = Mutex(folder)
        try folder.refuse(ifThereIs: "aggregator.db", of: "an aggregator")
        let database = folder.file(AgentRuntime.databaseName)
        signer = try DeviceKey.loadOrCreate(
            folder: configuration.data, unlessThereIs: FoundingMark.traces(of: database))
        store = try AgentRuntime.openStore(configuration, database, signer, hasher)
        if let end = store.drawnAtStart {
            logger.warning(
                "this data folder goes on in another stream",
                metadata: ["sync.finding": "\(end.detail)", "sync.stream": "\(store.writing.tag)"])
        }
        let loaded = try store.load()
        let writing = loaded.writing
        let tail = try store.tail(
            after: writing.acknowledged, head: writing.head.sequence,
            byteCountMax: configuration.limits.ownTailBytesMax)
        board = SyncBoard(SyncBoard.State(loaded.streams, offlineSince: WallClock.now()))
        let shipper = Shipper()
        self.shipper = shipper
        commits = CommitThread(
            CommitThread.Parts(
                store: store, limits: configuration.limits, board: board, hasher: hasher,
                logger: logger, tracer: configuration.tracer, signal: signal,
                report: { shipper.post(.report($0, traced: $1)) }, broken: onBroken),
            loaded: loaded, tail: tail,
            upkeep: try Upkeep(
                store: store, spans: configuration.retention, limits: configuration.limits))
        connection = try AgentRuntime.makeConnection(
            configuration, writing, signer, hasher, shipper)
        let parts = Shipper.Parts(
            configuration: configuration, store: store, signer: signer, hasher: hasher,
            board: board, signal: signal, logger: logger)
        shipping = connection.map { [commits] connection in
            shipper.start(parts, loaded: loaded, connection: connection, commits: commits)
        }
        loadSpans()
    }

    /// Connects to the broker, and from then on stays so where it can. A second call does nothing.
    package func start() {
        connection?.start()
    }

    private static let spansFile = "spans.spool"

    /// Spans that no aggregator has had yet survive a restart; a crash loses them, as telemetry may be.
    private func loadSpans() {
        do {
            try configuration.tracer?.spool.load(
                from: "\(configuration.data)/\(AgentRuntime.spansFile)")
        } catch {
            logger.warning("spans were lost", metadata: ["tracing.error": "\(error)"])
        }
    }

    private func saveSpans() {
        do {
            try configuration.tracer?.spool.save(
                to: "\(configuration.data)/\(AgentRuntime.spansFile)")
        } catch {
            logger.warning("spans were lost", metadata: ["tracing.error": "\(error)"])
        }
    }

    private static func openStore(
        _ configuration: AgentConfiguration, _ path: String, _ signer: Ed25519Signer,
        _ hasher: SHA256Hasher
    ) throws -> AgentStore {
        var random = SystemRandomNumberGenerator()
        let nonce = (0..<Genesis.nonceByteCount).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        return try AgentStore(
            path: path, options: configuration.log,
            agent: configuration.agent,
            ledger: configuration.ledger,
            founding: AgentStore.Founding(nonce: nonce, publicKey: signer.publicKey),
            hasher: hasher, now: WallClock.now())
    }

    private static func makeConnection(
        _ configuration: AgentConfiguration, _ writing: StreamRecord, _ signer: Ed25519Signer,
        _ hasher: SHA256Hasher, _ shipper: Shipper
    ) throws -> MQTTConnection? {
        guard let broker = configuration.broker else { return nil }
        let will = StatusMessage.make(
            Outbox.status(
                isOnline: false, stream: writing.tag, head: writing.head, at: WallClock.now(),
                signer: signer, hasher: hasher), configuration.agent)
        let mqtt = try MQTTConfiguration(
            url: broker.url, clientID: configuration.agent.description, username: broker.username,
            password: broker.password, tls: broker.tls, lastWill: will,
            subscriptions: [
                Topics.down(configuration.agent),
                Topics.hub(shard: Topics.shard(of: configuration.agent)),
            ],
            limits: configuration.mqttLimits)
        return MQTTConnection(mqtt) { shipper.post(.mqtt($0)) }
    }

    /// Finishes what was accepted, says goodbye to the broker, and closes the store. Blocks for
    /// some seconds at most.
    ///
    /// - Returns: whether everything ended in time.
    @discardableResult
    package func stop() -> Bool {
        let isWritten = commits.finish()
        signal.end()
        shipper.finish()
        let isShipped = shipping?.join(atMost: .seconds(2)) ?? true
        let writing = board.current.writing
        connection?.stop(
            farewell: StatusMessage.make(
                Outbox.status(
                    isOnline: false, stream: writing.tag, head: writing.head, at: WallClock.now(),
                    signer: signer, hasher: hasher), configuration.agent))
        readers.stop()
        saveSpans()
        if let failure = store.close() {
            logger.error("closing the database", metadata: ["store.error": "\(failure)"])
        }
        folder.withLock { $0 = nil }
        return isWritten && isShipped
    }
}

extension AgentConfiguration {
    /// A device comes back within seconds when its network does, and does not hammer a broker that
    /// refuses it.
    var mqttLimits: MQTTLimits {
        var limits = MQTTLimits()
        limits.backoffCap = .seconds(15)
        limits.breakerPause = .seconds(15)
        limits.stableAfter = .seconds(1)
        return limits
    }
}
