import AgentCore
import LedgerCore
import MQTTTransport

/// What an agent is started with.
package struct AgentConfiguration: Sendable {
    package var agent: AgentID
    package var ledger: String
    /// The data folder; made where it is missing.
    package var data: String
    /// Nil for an agent that never syncs.
    package var broker: Broker?
    package var limits: AgentLimits
    /// How large the database may grow, in bytes; nil for as large as the disk.
    package var storageBytesMax: Int?
    /// For people and for the hello.
    package var softwareVersion: String

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
        self.storageBytesMax = storageBytesMax
        self.softwareVersion = softwareVersion
    }
}
