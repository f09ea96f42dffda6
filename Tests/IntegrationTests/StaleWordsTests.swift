import FleetHarness
import Foundation
import MQTTTransport
import SyncProtocol
import Synchronization
import Testing
import Workload

extension IntegrationTests {
    /// What was said once and comes again, late or out of its order, and who says it that should not.
    @Suite struct StaleWordsTests {
        private static func sales(_ range: ClosedRange<Int>) -> [Workload.Operation] {
            range.map { Workload.Operation.sale($0) }
        }

        @Test func `greetings, welcomes, proofs and acknowledgements of days ago change nothing`()
            async throws
        {
            try await withFleet { fleet in
                try fleet.broker.start()
                let spy = try BrokerClient(
                    at: fleet.broker, as: "spy",
                    hears: ["tributary/v1/up/#", "tributary/v1/down/#", "tributary/v1/hub/#"])
                defer { spy.leave() }
                try spy.waitUntilConnected()
                try fleet.start(withBroker: false)
                let agent = fleet.agents[0]
                // Several sessions, each of which has something to say.
                for round in 0..<3 {
                    let first = 20 * round + 1
                    try agent.client.accept(Self.sales(first...first + 19))
                    try fleet.waitUntilDrained()
                    try agent.daemon.killAndRestart()
                }
                try agent.client.accept(Self.sales(61...70))
                try fleet.expectConvergence(with: Oracle(Self.sales(1...70)))
                let words = spy.messages
                for kind: Frame.Kind in [.hello, .welcome, .proof, .segments, .ack, .hub] {
                    let isThere = words.contains { $0.kind == kind.rawValue }
                    #expect(isThere, "no \(kind)")
                }
                let ledger = try fleet.aggregator.client.ledger().json
                let stream = try agent.client.sync().json["stream"]

                // Each once more in its order, and in the reverse.
                for message in words + words.reversed() {
                    try spy.say(MQTTMessage(topic: message.topic, payload: message.payload))
                }
                try agent.client.accept(Self.sales(71...80))
                try fleet.expectConvergence(with: Oracle(Self.sales(1...80)))
                let sync = try agent.client.sync().json
                #expect(sync["stream"] == stream && sync["streams"].array?.count == 1)
                let shown = try fleet.aggregator.client.http.json("/v1/agents/\(agent.id)")
                #expect(shown["streams"].array?.count == 1)
                #expect(shown["streams"][0]["standing"] == "open" && shown["state"] == "online")
                #expect(ledger["transactions"].int == 70)
                let metrics = try fleet.aggregator.client.http.get("/metrics").text
                let dropped = try #require(
                    metrics.firstMatch(of: /dropped_total\{reason="not_in_session"\} (\d+)/))
                #expect(Int(dropped.1) ?? 0 > 0, "nothing stale came to the aggregator")
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test(arguments: ["till-1", "aggregator-hub"])
        func `a second client with our id at the broker delays, and loses and doubles nothing`(
            id: String
        ) async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                try agent.client.accept(Self.sales(1...10))
                try fleet.waitUntilDrained()
                // A broker lets in the later of two, so that they take turns.
                let second = try BrokerClient(at: fleet.broker, as: id)
                try second.waitUntilConnected()
                for start in stride(from: 11, through: 101, by: 10) {
                    try agent.client.accept(Self.sales(start...start + 9))
                }
                let daemon = id == agent.id ? agent.daemon : fleet.aggregator.daemon
                try waitUntil("the contest has a name", within: .seconds(60)) {
                    try String(contentsOfFile: daemon.process.log, encoding: .utf8)
                        .contains("is another program connected as \(id)")
                }
                second.leave()
                try fleet.expectConvergence(with: Oracle(Self.sales(1...110)))
                #expect(try agent.client.sync().json["streams"].array?.count == 1)
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `handshakes that overlap end in one session, and nothing is closed`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                // The first greetings and proofs each come behind what was said after them.
                let held = Mutex<[[UInt8]]>([])
                let count = Mutex(0)
                agent.link.divert { topic, payload in
                    let isShaken =
                        payload.kind == Frame.Kind.hello.rawValue
                        || payload.kind == Frame.Kind.proof.rawValue
                    guard topic.contains("/up/"), isShaken else { return [payload] }
                    let number = count.withLock { count in
                        count += 1
                        return count
                    }
                    guard number <= 6 else { return [payload] }
                    return held.withLock { held in
                        if number % 2 == 1 {
                            held.append(payload)
                            return []
                        }
                        defer { held.removeAll() }
                        return [payload] + held
                    }
                }
                try fleet.start()
                try agent.client.accept(Self.sales(1...20))
                try fleet.expectConvergence(with: Oracle(Self.sales(1...20)))
                #expect(count.withLock { $0 } > 6)
                let shown = try fleet.aggregator.client.http.json("/v1/agents/\(agent.id)")
                #expect(shown["streams"].array?.count == 1)
                #expect(shown["streams"][0]["standing"] == "open")
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }
    }
}

extension [UInt8] {
    /// A frame's.
    fileprivate var kind: UInt8? { (try? Frame(decoding: self))?.kind }
}

extension MQTTMessage {
    fileprivate var kind: UInt8? { payload.kind }
}
