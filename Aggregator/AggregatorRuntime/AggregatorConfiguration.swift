import AggregatorCore
import LedgerCore
import MQTTTransport
import Observability
import TraceStore

/// What an aggregator is started with.
package struct AggregatorConfiguration: Sendable {
    /// The aggregator's own name, under which its hub stream is written.
    package var id: AgentID
    package var ledger: String
    /// The data folder; made where it is missing.
    package var data: String
    package var broker: Broker
    package var limits: AggregatorLimits
    /// Whether a new stream of an agent that has others waits for an operator.
    package var needsApproval = false
    /// Nil for an aggregator that records no spans of its own. It keeps those of agents all the same.
    package var tracer: TributaryTracer?
    package var traceLimits = TraceStoreLimits()

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
        id: AgentID, ledger: String, data: String, broker: Broker,
        limits: AggregatorLimits = AggregatorLimits()
    ) {
        self.id = id
        self.ledger = ledger
        self.data = data
        self.broker = broker
        self.limits = limits
    }
}
