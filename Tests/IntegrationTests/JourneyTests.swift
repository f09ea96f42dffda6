import FleetHarness
import Testing
import Workload

extension IntegrationTests {
    @Suite struct JourneyTests {
        @Test
        func `an aggregator tells every stage of a transaction, and names what it cannot know`()
            async throws
        {
            try await withRunningFleet { fleet in
                let id = try fleet.agents[0].client.accept([.sale(1)])[0]
                try fleet.waitUntilDrained()
                let journey = try fleet.aggregator.client.journey(id)
                #expect(journey["id"].string == id)
                #expect(journey["status"] == "merged")
                #expect(journey["attempt"].int == 1)
                #expect(journey["segment"]["first"].int == 1)
                let stages = try #require(journey["stages"].array)
                let names = stages.compactMap { $0["name"].string }
                #expect(
                    names == ["accepted", "durable", "published", "received", "merged", "acked"])
                for stage in stages {
                    // A time, or the reason why there is none.
                    #expect((stage["at"] == .null) == (stage["reason"].string != nil), "\(stage)")
                }
                let times = stages.compactMap { $0["at"].string }
                // All of one machine's clock here.
                #expect(times.count == 4 && times == times.sorted(), "\(times)")
                let places = stages.compactMap { $0["place"].string }
                #expect(
                    places == ["till-1", "till-1", "till-1", "aggregator", "aggregator", "till-1"])

                let unknown = id.replacing(#/\d+$/#, with: "999")
                let http = fleet.aggregator.client.http
                #expect(try http.get("/v1/transactions/\(unknown)/journey").status == 404)
            }
        }
    }
}
