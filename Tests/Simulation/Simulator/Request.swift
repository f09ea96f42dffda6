import AgentCore
import LedgerCore
import SyncProtocol

/// What a client asks of its agent.
struct Request {
    enum Kind {
        case batch
        case group
        case read(AccountAddress)
    }

    /// One transaction of it: as it is asked for, and its number with the oracle.
    struct Part {
        let number: Int
        let form: RequestForm
        /// Of its own; a group has one for all, in its first part.
        let key: String?
    }

    let kind: Kind
    let parts: [Part]
    /// Whether it can be asked for again without doing its work twice.
    let isRepeatable: Bool
}

/// Who waits for an answer: a client, and at which of its attempts of which of its requests.
struct Ticket: Hashable, Sendable {
    let client: Int
    let request: Int
    let attempt: Int
}

/// What the agent says.
enum Answer: Sendable {
    /// One outcome a part; of a group that was not accepted, one.
    case recorded([Outcome])
    case account(AccountView?)
    /// Nothing was promised: come again.
    case unavailable
}

enum ClientEvent {
    case thinks(generation: Int)
    case answered(Ticket, Answer)
    case patienceEnds(Ticket)
}
