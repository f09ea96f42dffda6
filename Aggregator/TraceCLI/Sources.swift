import ArgumentParser
import Foundation
import LedgerCore

/// Where a command reads: any of the three, and what they say is put together.
struct Sources: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The aggregator's address. Where nothing is named, \(defaultAggregator) is asked.",
            valueName: "url"))
    var aggregator: String?

    @Option(
        help: ArgumentHelp("The agent's address, as in http://127.0.0.1:7410.", valueName: "url"))
    var agent: String?

    @Option(
        help: ArgumentHelp(
            "A data folder or database file of an agent. It is copied, never written.",
            valueName: "path"))
    var db: String?

    static let defaultAggregator = "http://127.0.0.1:7420"

    /// The aggregator to ask: the one named, or the usual one where nothing else is named.
    func aggregatorAPI() throws -> DaemonAPI? {
        if let aggregator { return try DaemonAPI(aggregator, option: "--aggregator") }
        return agent == nil && db == nil
            ? try DaemonAPI(Sources.defaultAggregator, option: "--aggregator") : nil
    }

    func agentAPI() throws -> DaemonAPI? {
        try agent.map { try DaemonAPI($0, option: "--agent") }
    }
}

extension EventID {
    /// - Throws: `TraceFailure.usage`
    static func argument(_ text: String) throws -> EventID {
        do throws(InvalidValue) { return try EventID(text) } catch {
            throw TraceFailure.usage(error.description)
        }
    }
}

extension AgentID {
    /// - Throws: `TraceFailure.usage`
    static func argument(_ text: String) throws -> AgentID {
        do throws(InvalidValue) { return try AgentID(text) } catch {
            throw TraceFailure.usage("--agent: \(error.description)")
        }
    }
}
