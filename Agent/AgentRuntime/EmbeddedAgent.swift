import AgentCore
import LedgerCore
import Logging
import SyncProtocol

/// An agent inside an application: everything that `tributary-agent` does, without its HTTP
/// interface.
///
/// ```swift let agent = try EmbeddedAgent(.init(id: "till-042", dataFolder: "/var/lib/till"),
/// logger: logger) let sale = EmbeddedAgent.Transfer( postings: [.init(from: "customers:1001", to:
/// "stores:042:sales", asset: "EUR/2", amount: 1250)], idempotencyKey: "receipt-8812") let recorded
/// = try await agent.record([sale]) agent.stop() ```
///
/// One process at a time may work in a data folder.
public final class EmbeddedAgent: Sendable {
    public struct Configuration: Sendable {
        /// Small letters, digits and `-`, as in `till-042`.
        public var id: String
        /// Made where it is missing.
        public var dataFolder: String
        /// As `mqtt://HOST:PORT` or `mqtts://HOST:PORT`; nil for an agent that never syncs.
        public var broker: String?
        /// The same for all agents of a ledger, and for its aggregator.
        public var ledger: String

        public init(
            id: String, dataFolder: String, broker: String? = nil, ledger: String = "main"
        ) {
            self.id = id
            self.dataFolder = dataFolder
            self.broker = broker
            self.ledger = ledger
        }
    }

    public struct Transfer: Sendable {
        public struct Posting: Sendable {
            public var source: String
            public var destination: String
            public var asset: String
            /// In the asset's smallest unit, at least 1.
            public var amount: Int64

            public init(from source: String, to destination: String, asset: String, amount: Int64) {
                self.source = source
                self.destination = destination
                self.asset = asset
                self.amount = amount
            }
        }

        /// 1 to 64, applied all or none.
        public var postings: [Posting]
        public var reference: String?
        /// Names the request, so that recording it again does nothing twice.
        public var idempotencyKey: String?

        public init(
            postings: [Posting], reference: String? = nil, idempotencyKey: String? = nil
        ) {
            self.postings = postings
            self.reference = reference
            self.idempotencyKey = idempotencyKey
        }
    }

    /// What became of a transfer, once it is durable.
    public enum Outcome: Sendable, Equatable {
        /// Recorded under this id, now or when the same request came before.
        case recorded(id: String, isRepeated: Bool)
        /// Not recorded, and why: the request breaks a rule, or its key belongs to another.
        case refused(reason: String)
    }

    /// Why the agent could not be started, or cannot record now.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    let runtime: AgentRuntime

    /// Opens the data folder and starts syncing.
    ///
    /// - Parameter onBroken: called when the disk failed and nothing can be recorded until a new
    ///   start.
    /// - Throws: `Failure` saying what is wrong with the folder, the name or the broker's address.
    public init(
        _ configuration: Configuration, logger: Logger,
        onBroken: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(Failure) {
        do {
            let inner = AgentConfiguration(
                agent: try AgentID(configuration.id), ledger: configuration.ledger,
                data: configuration.dataFolder,
                broker: configuration.broker.map { AgentConfiguration.Broker(url: $0) },
                softwareVersion: "embedded")
            runtime = try AgentRuntime(inner, logger: logger, onBroken: onBroken)
            runtime.start()
        } catch {
            throw Failure(description: "\(error)")
        }
    }

    /// Records transfers in their order, each for itself, and returns when all are durable.
    ///
    /// - Throws: `Failure` where nothing can be recorded now; then the same call may be made again.
    ///   Give transfers an idempotency key, so that nothing is recorded twice by it.
    public func record(_ transfers: [Transfer]) async throws(Failure) -> [Outcome] {
        var outcomes = [Outcome](repeating: .refused(reason: ""), count: transfers.count)
        var requests: [ClientRequest] = []
        var places: [Int] = []
        for (index, transfer) in transfers.enumerated() {
            do throws(InvalidValue) {
                requests.append(try transfer.request())
                places.append(index)
            } catch {
                outcomes[index] = .refused(reason: error.description)
            }
        }
        do throws(ServiceFailure) {
            for (place, answer) in zip(places, try await runtime.record(requests)) {
                outcomes[place] = Outcome(answer)
            }
        } catch {
            throw Failure(description: error.sentence)
        }
        return outcomes
    }

    /// What an account has, in the asset's smallest unit: this agent's own transfers, and those of
    /// others as far as its aggregator has told of them.
    ///
    /// - Throws: `Failure` where the account's name makes none, or the agent is stopping.
    public func balance(of account: String, asset: String) async throws(Failure) -> Int128 {
        do {
            let view = try await runtime.account(try AccountAddress(account))
            let found = view?.balances.first { $0.asset.description == asset }
            return found.map { $0.input - $0.output } ?? 0
        } catch {
            throw Failure(description: "\(error)")
        }
    }

    /// Transactions that the aggregator has not acknowledged yet.
    public var backlog: UInt64 {
        runtime.board.current.backlog
    }

    /// Finishes what was recorded and closes the data folder. Blocks for some seconds at most.
    public func stop() {
        runtime.stop()
    }
}

extension EmbeddedAgent.Transfer {
    func request() throws(InvalidValue) -> ClientRequest {
        var parsed: [LedgerCore.Posting] = []
        for posting in postings {
            parsed.append(
                LedgerCore.Posting(
                    source: try AccountAddress(posting.source),
                    destination: try AccountAddress(posting.destination),
                    asset: try Asset(posting.asset), amount: try Amount(posting.amount)))
        }
        let form = RequestForm(
            postings: parsed, reference: reference.map { .value($0) } ?? .absent)
        return ClientRequest(form: form, key: idempotencyKey)
    }
}

extension EmbeddedAgent.Outcome {
    fileprivate init(_ answer: Answer) {
        switch answer {
        case .accepted(let transaction):
            self = .recorded(id: transaction.id.description, isRepeated: false)
        case .replayed(let transaction):
            self = .recorded(id: transaction.id.description, isRepeated: true)
        case .mismatched(let first):
            self = .refused(
                reason: "the idempotency key belongs to another request, which became \(first)")
        case .invalid(let field): self = .refused(reason: field.description)
        }
    }
}

extension ServiceFailure {
    var sentence: String {
        switch self {
        case .overloaded: "more transactions wait for a commit than may wait"
        case .storageFull(let detail), .unavailable(let detail): detail
        }
    }
}
