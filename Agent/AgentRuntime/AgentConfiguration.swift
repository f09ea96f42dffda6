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

    /// - Parameter storageBytesMax: how large the database may grow; nil for as large as the disk.
    package init(
        agent: AgentID, ledger: String, data: String, broker: Broker?,
        limits: AgentLimits = AgentLimits(),
        storageBytesMax: Int? = nil, softwareVersion: String
    ) {
        self.agent = agent
        self.ledger = ledger
        self.data = data
        self.broker = broker
        self.limits = limits
        log = LogOptions()
        if let storageBytesMax { log.limit(bytes: storageBytesMax) }
        self.softwareVersion = softwareVersion
    }
}

extension LogOptions {
    /// SQLite's pages, in bytes.
    static let pageBytes = 4096
    /// Of the quota, for acknowledgements and recovery when it is full: 1 MiB.
    private static let reservePages = 256

    /// Sets the quota: what is asked for, but at least twice the reserve.
    fileprivate mutating func limit(bytes: Int) {
        pageCountMax = max(bytes / LogOptions.pageBytes, 2 * LogOptions.reservePages)
        pageCountReserve = LogOptions.reservePages
    }
}
