import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport

/// A hub that was, of which only agents know.
struct FormerHub {
    let genesis: Genesis
    private let signer: ToySigner
    private var told: UInt64 = 0

    var tag: StreamTag { StreamTag(genesisHash: genesis.hash(PlainSHA256())) }

    init(_ genesis: Genesis, _ signer: ToySigner) {
        self.genesis = genesis
        self.signer = signer
    }

    /// What it had told an agent, as that gives it back.
    func returns(
        _ facts: [HubFact], runs: [Returns.Run] = [], to writer: CopiedWriter
    ) -> Message {
        var events: [SignedHubEvent] = []
        for fact in facts {
            let sequence = UInt64(events.count + 1)
            let address = HubEvent.Address(agent: writer.genesis.agent, previous: sequence - 1)
            let event = HubEvent(
                sequence: sequence, time: HybridTimestamp(rawValue: sequence),
                content: HubEvent.Content(fact, address: address))
            events.append(SignedHubEvent(event, hub: tag, signer: signer))
        }
        return .returns(Returns(stream: writer.tag, former: genesis, runs: runs, events: events))
    }
}

extension HubBench {
    /// - Parameter signer: whose key it had; the hub's own where it was restored.
    mutating func formerHub(_ signer: ToySigner = ToySigner(9)) throws -> FormerHub {
        let genesis = Genesis(
            writer: .hub, ledger: "test", agent: try AgentID("hub"),
            nonce: random.bytes(Genesis.nonceByteCount), publicKey: signer.publicKey)
        return FormerHub(genesis, signer)
    }
}
