import LedgerCore

/// The stages of one transaction on its way into the global ledger, as far as the aggregator knows
/// them. A stage without a time says why: whoever reads it can tell "did not happen" from "is not
/// kept here".
package struct MergedJourney: Sendable {
    package enum Stage: String, Sendable, CaseIterable {
        case accepted, durable, published, received, merged, acked

        /// Whether it takes place on the device, and its time is of the device's clock.
        package var isOfAgent: Bool {
            switch self {
            case .accepted, .durable, .published, .acked: true
            case .received, .merged: false
            }
        }
    }

    package enum Moment: Hashable, Sendable {
        case at(Timestamp)
        /// Why there is no time.
        case unknown(String)
    }

    package let id: EventID
    /// Nil where only the agent's announcement has arrived.
    package let transaction: MergedTransaction?
    package let stages: [(stage: Stage, moment: Moment)]

    /// Of a transaction that is in the ledger.
    package init(_ transaction: MergedTransaction) {
        id = transaction.id
        self.transaction = transaction
        stages = Stage.allCases.map { ($0, MergedJourney.moment($0, of: transaction)) }
    }

    /// Of one that its agent has announced, and that has not arrived.
    package init(announced id: EventID) {
        self.id = id
        transaction = nil
        stages = Stage.allCases.map { ($0, .unknown(MergedJourney.reasonNotArrived($0))) }
    }

    private static func moment(_ stage: Stage, of transaction: MergedTransaction) -> Moment {
        switch stage {
        case .accepted: .at(transaction.event.time.time)
        case .durable:
            .unknown("only the device keeps when its disk had it: ask its agent for the journey")
        case .published: known(transaction.publishedAt)
        case .received: known(transaction.receivedAt)
        case .merged: .at(transaction.committedAt)
        case .acked:
            .unknown(
                "the acknowledgement is sent behind the commit; only the device keeps when it came: ask its agent"
            )
        }
    }

    private static func known(_ time: Timestamp?) -> Moment {
        time.map { .at($0) } ?? .unknown("the log has no record of how its segment arrived")
    }

    private static func reasonNotArrived(_ stage: Stage) -> String {
        stage.isOfAgent
            ? "the agent has announced it, and its segment has not arrived: ask the agent"
            : "its segment has not arrived yet"
    }
}
