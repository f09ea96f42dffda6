import AgentCore
import LedgerCore
import MQTTTransport
import Observability
import SegmentStore

/// What an agent is started with.
package struct AgentConfiguration: Sendable {
    package var agent: AgentID
    package var ledger: String
    /// The data folder; made where it is missing.
    package var data: String
    /// Nil for an agent that never syncs.
    package var broker: Broker?
    package var limits: AgentLimits
    /// How long what the aggregator holds is kept here all the same.
    package var retention: Retention.Spans
    /// How the database is opened; its defaults are the promise.
    package var log: LogOptions
    /// For people and for the hello.
    package var softwareVersion: String
    /// Nil for an agent that records no spans. It passes on what clients say of traces all the same.
    package var tracer: TributaryTracer?

    package struct Broker: Sendable {
        package var url: String
        package var username: String?
        package var password: String?
        package var tls: MQTTTLSOptions?

        package init(
            url: String, username: String? = nil, password: String? = nil,
            tls: MQTTTLSOptions? = nil
        ) {
            self.url = url
            self.username = username
            self.password = password
            self.tls = tls
        }
    }

    /// The least that a database may be limited to: the reserve, and as much again.
    package static let storageBytesMin =
        LogOptions.pageBytes * 2 * LogOptions.reservePages.lowerBound

    /// - Parameter storageBytesMax: how large the database may grow, at least `storageBytesMin`; nil
    ///   for as large as the disk.
    package init(
        agent: AgentID, ledger: String, data: String, broker: Broker?,
        limits: AgentLimits = AgentLimits(), retention: Retention.Spans = Retention.Spans(),
        storageBytesMax: Int? = nil, softwareVersion: String
    ) {
        self.agent = agent
        self.ledger = ledger
        self.data = data
        self.broker = broker
        self.limits = limits
        self.retention = retention
        log = LogOptions()
        log.returnsSpace = true
        if let storageBytesMax {
            log.limit(bytes: storageBytesMax)
            self.limits.fitCheckpoints(into: log.reserveBytes)
        }
        self.softwareVersion = softwareVersion
    }
}

extension LogOptions {
    /// SQLite's pages, in bytes.
    static let pageBytes = 4096
    /// Of the quota, for acknowledgements and recovery when it is full: an eighth, in pages, from 1
    /// MiB to 16 MiB.
    fileprivate static let reservePages = 256...4096

    /// How large the database may grow; nil for as the disk.
    var quotaBytes: UInt64? { pageCountMax.map { UInt64($0 * LogOptions.pageBytes) } }

    fileprivate var reserveBytes: Int { pageCountReserve * LogOptions.pageBytes }

    /// Sets the quota.
    fileprivate mutating func limit(bytes: Int) {
        precondition(
            bytes >= AgentConfiguration.storageBytesMin, "a quota of \(bytes) bytes is too small")
        let pages = bytes / LogOptions.pageBytes
        let reserve = LogOptions.reservePages
        pageCountMax = pages
        pageCountReserve = min(max(pages / 8, reserve.lowerBound), reserve.upperBound)
    }
}

extension AgentLimits {
    /// What a key takes in its table, and some.
    private static let bytesPerKey = 256

    /// A full log is pruned only as far as a checkpoint of the folds reaches, so the next checkpoint
    /// must fit into the reserve: its keys, and the names and balances of the segments behind the
    /// one before, which take several times what the segments do where every name is new.
    fileprivate mutating func fitCheckpoints(into reserveBytes: Int) {
        keysPerCheckpoint = min(keysPerCheckpoint, reserveBytes / AgentLimits.bytesPerKey)
        bytesPerCheckpoint = min(bytesPerCheckpoint, reserveBytes / 8)
    }
}
