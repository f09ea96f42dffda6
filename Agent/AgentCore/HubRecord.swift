import LedgerCore
import SyncProtocol

/// A hub's stream that this agent has followed.
package struct HubRecord: Hashable, Sendable {
    package let tag: StreamTag
    /// What it begins with: the key that its messages are signed with.
    package let genesis: Genesis
    /// The last of its events that this agent has, of those that it was told, without a gap.
    package private(set) var last: SignedHubEvent?

    package init(tag: StreamTag, genesis: Genesis, last: SignedHubEvent? = nil) {
        self.tag = tag
        self.genesis = genesis
        self.last = last
    }

    /// How far it was followed, as the agent's messages say it.
    package var seen: Seen { Seen(hub: tag, position: last?.event.sequence ?? 0) }

    /// The agent has an event of this hub, and all before it that it was told.
    package mutating func saw(_ event: SignedHubEvent) {
        precondition(event.hub == tag, "an event of hub \(event.hub), not of \(tag)")
        if event.event.sequence > seen.position { last = event }
    }
}

/// Which hub this agent follows, and believes.
///
/// **Overview.** A hub's stream begins with its key; all that it says is signed with that. The first
/// one that answers is followed. A hub that was restored, or lost its disk, draws another stream, and
/// is followed from then on; the one before is left, and not believed again: what is left of it may be
/// an older copy, or a second aggregator at the same broker.
struct FollowedHubs: Sendable {
    enum Verdict: Hashable, Sendable {
        /// It is of the hub that is followed.
        case current
        /// It is of one that this agent has not met.
        case another(HubRecord)
        /// It is of one that this agent has left.
        case left(StreamTag)
        /// It is not signed by the key that it names, or is of another ledger.
        case forged
    }

    /// In the order in which they were followed.
    private(set) var all: [HubRecord]
    private let ledger: String
    private let hasher: any ContentHasher
    private let verifier: any SignatureVerifier

    init(
        _ all: [HubRecord], ledger: String, hasher: any ContentHasher,
        verifier: any SignatureVerifier
    ) {
        self.all = all
        self.ledger = ledger
        self.hasher = hasher
        self.verifier = verifier
    }

    var current: HubRecord? { all.last }

    /// What the agent's own messages say that it has seen.
    var seen: Seen {
        current?.seen ?? .nothing
    }

    /// A welcome brings the key that it is signed with.
    func judge(_ welcome: Welcome, _ frame: Frame) -> Verdict {
        let genesis = welcome.hubGenesis
        let tag = StreamTag(genesisHash: genesis.hash(hasher))
        guard welcome.hub.hub == tag, genesis.writer == .hub, genesis.ledger == ledger,
            frame.isSigned(by: genesis.publicKey, hasher, verifier)
        else { return .forged }
        if let current, current.tag == tag {
            return current.genesis == genesis ? .current : .forged
        }
        if all.contains(where: { $0.tag == tag }) { return .left(tag) }
        return .another(HubRecord(tag: tag, genesis: genesis))
    }

    /// Whether the hub that is followed has signed a message.
    func hasSigned(_ frame: Frame) -> Bool {
        guard let current else { return false }
        return frame.isSigned(by: current.genesis.publicKey, hasher, verifier)
    }

    /// Whether a message that names a hub can be of it; of one that this agent has not met, nobody can
    /// tell.
    func maySign(_ frame: Frame, as tag: StreamTag) -> Bool {
        guard let hub = all.last(where: { $0.tag == tag }) else { return true }
        return frame.isSigned(by: hub.genesis.publicKey, hasher, verifier)
    }

    func hasSigned(_ event: SignedHubEvent) -> Bool {
        guard let current, event.hub == current.tag else { return false }
        return event.isSigned(by: current.genesis.publicKey, verifier)
    }

    mutating func follow(_ hub: HubRecord) {
        precondition(!all.contains { $0.tag == hub.tag }, "a hub is followed once")
        all.append(hub)
    }

    /// What the agent has of it is durable.
    mutating func sawDurably(_ hub: HubRecord) {
        guard let index = all.indices.last, all[index].tag == hub.tag, let last = hub.last else {
            return
        }
        all[index].saw(last)
    }
}
