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
    package static func hub(shard: Int) -> String { "\(root)/hub/\(shard)" }

    /// What an aggregator listens to.
    package static let allUp = "\(root)/up/+/+"
    package static let allStatus = "\(root)/status/+"

    /// The agent that a message on an `up` or `status` topic is from, by the topic alone; the
    /// broker's access rules make it true.
    package static func agent(ofTopic topic: String) -> AgentID? {
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        guard levels.count >= 4, levels[0] == "tributary", levels[1] == "v1" else { return nil }
        switch (levels[2], levels.count) {
        case ("up", 5): return try? AgentID(String(levels[4]))
        case ("status", 4): return try? AgentID(String(levels[3]))
        default: return nil
        }
    }
}
