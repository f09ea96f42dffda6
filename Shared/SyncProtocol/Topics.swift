import LedgerCore

/// The MQTT topics of version 1.
package enum Topics {
    package static let shards = 64
    private static let root = "tributary/v1"

    /// Which of the 64 shards an agent's streams belong to: FNV-1a (draft-eastlake-fnv) of its id,
    /// mod 64.
    package static func shard(of agent: AgentID) -> Int {
        let hash = agent.description.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        return Int(hash % UInt64(shards))
    }

    package static func up(_ agent: AgentID) -> String { "\(root)/up/\(shard(of: agent))/\(agent)" }
    package static func down(_ agent: AgentID) -> String { "\(root)/down/\(agent)" }
    package static func status(_ agent: AgentID) -> String { "\(root)/status/\(agent)" }
    package static func spans(_ agent: AgentID) -> String {
        "\(root)/spans/\(shard(of: agent))/\(agent)"
    }
    package static func hub(shard: Int) -> String { "\(root)/hub/\(shard)" }

    /// What an aggregator listens to.
    package static let allUp = "\(root)/up/+/+"
    package static let allStatus = "\(root)/status/+"
    package static let allSpans = "\(root)/spans/+/+"

    /// For whoever looks on: all there is, and all that is from, to or about an agent.
    package static let everything = "\(root)/#"
    package static func everything(about agent: AgentID) -> [String] {
        ["\(root)/+/\(agent)", "\(root)/+/+/\(agent)", hub(shard: shard(of: agent))]
    }

    /// Whether a topic is one of `everything(about:)`.
    package static func concerns(_ topic: String, _ agent: AgentID) -> Bool {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        let isOfAgent = (4...5).contains(levels.count) && levels.last == agent.description[...]
        return topic.hasPrefix("\(root)/") && isOfAgent
            || topic == hub(shard: shard(of: agent))
    }

    /// Whether messages there are about the work itself: they wait for all others.
    package static func isOfSpans(_ topic: String) -> Bool { topic.hasPrefix("\(root)/spans/") }

    /// The agent that a message on an `up`, `spans` or `status` topic is from, by the topic alone; the
    /// broker's access rules make it true.
    package static func agent(ofTopic topic: String) -> AgentID? {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        guard levels.count >= 4, levels[0] == "tributary", levels[1] == "v1" else { return nil }
        switch (levels[2], levels.count) {
        case ("up", 5), ("spans", 5): return try? AgentID(String(levels[4]))
        case ("status", 4): return try? AgentID(String(levels[3]))
        default: return nil
        }
    }
}
