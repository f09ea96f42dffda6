import LedgerCore
import SyncProtocol
import Testing

@Suite struct TopicsTests {
    @Test func `an agent's topics name it, and lead back to it`() throws {
        let agent = try AgentID("till-042")
        #expect(Topics.up(agent) == "tributary/v1/up/\(Topics.shard(of: agent))/till-042")
        #expect(Topics.down(agent) == "tributary/v1/down/till-042")
        #expect(Topics.status(agent) == "tributary/v1/status/till-042")
        #expect(Topics.agent(ofTopic: Topics.up(agent)) == agent)
        #expect(Topics.agent(ofTopic: Topics.status(agent)) == agent)
        #expect(Topics.agent(ofTopic: Topics.spans(agent)) == agent)
        #expect(Topics.isOfSpans(Topics.spans(agent)) && !Topics.isOfSpans(Topics.up(agent)))
    }

    @Test(arguments: [
        "", "tributary", "tributary/v1/up", "tributary/v1/up/3", "tributary/v1/up/3/",
        "tributary/v1/up/3/till/x",
        "tributary/v2/up/3/till", "other/v1/up/3/till", "tributary/v1/status/",
        "tributary/v1/status/a/b",
        "tributary/v1/down/till", "tributary/v1/up/3/TILL", "/tributary/v1/up/3/till",
    ])
    func `no other topic names an agent`(_ topic: String) {
        #expect(Topics.agent(ofTopic: topic) == nil)
    }

    @Test func `shards never move, and agents spread over all of them`() throws {
        for (agent, shard) in ["till-042": 13, "a": 12, "kiosk-7": 40] {
            #expect(Topics.shard(of: try AgentID(agent)) == shard)
        }
        let used = try Set((0..<2000).map { Topics.shard(of: try AgentID("till-\($0)")) })
        #expect(used == Set(0..<Topics.shards))
    }

    @Test func `what is about an agent is its own topics and its shard's hub, and no other's`()
        throws
    {
        let agent = try AgentID("till-042")
        let other = try AgentID("till-04")
        let own = [
            Topics.up(agent), Topics.down(agent), Topics.status(agent),
            Topics.hub(shard: Topics.shard(of: agent)),
        ]
        for topic in own { #expect(Topics.concerns(topic, agent), "\(topic)") }
        let others = [Topics.up(other), Topics.down(other), Topics.hub(shard: 14), "till-042"]
        for topic in others { #expect(!Topics.concerns(topic, agent), "\(topic)") }
    }
}
