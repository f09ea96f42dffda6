import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What operators decided, where the aggregator that wrote it down is gone.
    @Suite struct DecisionLifeTests {
        @Test func `what operators decided of streams survives a lost disk, with name and reason`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let client = fleet.aggregator.client
                try fleet.agents[0].client.accept(.sales(1...10))
                try fleet.agents[1].client.accept(.sales(11...20))
                try fleet.waitUntilDrained()
                let decisions = [
                    ("close-stream", "closed", #"{"operator":"ada","reason":"sold to a branch"}"#),
                    ("declare-lost", "lost", #"{"operator":"bo","reason":"stolen"}"#),
                ]
                var streams: [String] = []
                for (agent, (what, _, decision)) in zip(fleet.agents, decisions) {
                    let stream = try agent.stream()
                    streams.append(stream)
                    let path = "/v1/agents/\(agent.id)/\(what)"
                    let answer = try client.http.post(path, Array(decision.utf8))
                    #expect(answer.status == 200, "\(answer.text)")
                    try agent.waitForStream(after: stream)
                    // It alone has it from here on.
                    try waitUntil("\(agent.id) keeps it", within: .seconds(30)) {
                        try String(contentsOfFile: agent.daemon.process.log, encoding: .utf8)
                            .contains("told by the aggregator")
                    }
                }
                let decided = try self.decided(of: streams, fleet)
                #expect(decided.map { $0["what"] } == ["closed", "declared_lost"], "\(decided)")
                #expect(decided.map { $0["operator"] } == ["ada", "bo"])
                try fleet.waitUntilDrained()
                let facts = try fleet.facts()
                var known = Set(try fleet.hubStreams())
                try fleet.aggregator.daemon.replaceData(with: nil)
                try fleet.aggregator.daemon.start()
                try fleet.expectNewHub(&known, facts)
                for (agent, (stream, (_, standing, _))) in zip(
                    fleet.agents, zip(streams, decisions))
                {
                    try waitUntil("\(stream) is \(standing) again", within: .seconds(40)) {
                        let shown = try client.http.json("/v1/agents/\(agent.id)")["streams"]
                        return shown.array?.first { $0["stream"].string == stream }?["standing"]
                            .string == standing
                    }
                }
                let kept = try self.decided(of: streams, fleet)
                for member in ["stream", "what", "operator", "reason"] {
                    #expect(kept.map { $0[member] } == decided.map { $0[member] }, "\(member)")
                }
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        // MARK: Steps

        /// What operators have decided of each of the streams, in their order, as the log has it.
        private func decided(of streams: [String], _ fleet: Fleet) throws -> [JSONValue] {
            let reader = try EventReader(
                port: fleet.aggregator.daemon.port, lastEventID: "1-0-1")
            var found: [String: JSONValue] = [:]
            while found.count < streams.count {
                let event = try #require(try reader.next())
                guard event.name == "decision", let stream = event.data["stream"].string else {
                    continue
                }
                found[stream] = event.data
            }
            return try streams.map { try #require(found[$0]) }
        }
    }
}
