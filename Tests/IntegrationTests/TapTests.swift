import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct TapTests {
        private static let fine = ProcessExit.status(0)
        private static let notFine = ProcessExit.status(1)
        private static let usage = ProcessExit.status(2)
        private static let notFound = ProcessExit.status(3)
        private static let unreachable = ProcessExit.status(4)

        @Test(arguments: BrokerKind.allCases)
        func `every message of a transaction's way is seen, and kept`(
            broker: BrokerKind
        ) async throws {
            try await withFleet(agents: ["till-1", "till-2"], over: broker) { fleet in
                try fleet.broker.start()
                let capture = "\(fleet.home)/capture"
                let tap = try startTap(["--json", "--write", capture, "--agent", "till-1"], fleet)
                try fleet.start(withBroker: false)
                for agent in fleet.agents { try agent.client.accept([.sale(1, on: agent.id)]) }
                try fleet.waitUntilDrained()
                // Each topic's in its order; between topics a broker promises none.
                let expected: Set = ["hello", "welcome", "proof", "segments", "ack", "status"]
                try waitUntil("all of them are seen", within: .seconds(15)) {
                    expected.isSubset(of: kinds(in: tap.log))
                }
                // Ctrl-C
                tap.send(SIGINT)
                #expect(tap.waitUntilEnded(within: .seconds(10)) == Self.fine)
                let seen = kinds(in: tap.log)
                #expect(expected.isSubset(of: seen), "\(seen)")
                #expect(tap.logTail().hasSuffix(" bytes."), "\(tap.logTail())")
                let decoded = try Program.traceApart(["decode", capture, "--json"], in: fleet.home)
                #expect(decoded.exit == Self.fine)
                let messages = try decoded.jsonLines()
                #expect(messages.compactMap { $0["kind"].string } == seen)
                // All of the one agent, or to all.
                let topics = messages.compactMap { $0["topic"].string }
                #expect(topics.allSatisfy { $0.hasSuffix("/till-1") || $0.contains("/hub/") })
                try expectDamageNamed(capture, messages.count, fleet)
            }
        }

        /// A flipped byte, and an end that is missing.
        private func expectDamageNamed(_ capture: String, _ count: Int, _ fleet: Fleet) throws {
            let bytes = [UInt8](try #require(FileManager.default.contents(atPath: capture)))
            var flipped = bytes
            flipped[bytes.count - 10] ^= 0xFF
            let copy = "\(fleet.home)/damaged"
            try Data(flipped).write(to: URL(filePath: copy))
            let damaged = try Program.traceApart(["decode", copy, "--json"], in: fleet.home)
            #expect(damaged.exit == Self.notFine)
            let last = try #require(try damaged.jsonLines().last)
            let offset = try #require(last["damage"]["offset"].int)
            #expect(try damaged.jsonLines().count == count)
            #expect(offset > 20 && offset <= bytes.count - 10)
            #expect(
                damaged.errors.contains("at byte \(offset): record \(count) "), "\(damaged.errors)")
            try Data(bytes.dropLast(3)).write(to: URL(filePath: copy))
            let short = try Program.traceApart(["decode", copy, "--json"], in: fleet.home)
            #expect(short.exit == Self.notFine)
            #expect(try short.jsonLines().last?["damage"]["truncated"] == .bool(true))
            #expect(short.errors.contains("the file ends within record \(count)"))
        }

        @Test
        func `details and bytes are shown below each line, and a capture is not written over`()
            async throws
        {
            try await withRunningFleet { fleet in
                let arguments = ["tap", "--broker", fleet.broker.url, "--count", "1"]
                let tap = try Program.traceApart(
                    arguments + ["--details", "--hex"], in: fleet.home)
                #expect(tap.exit == Self.fine, "\(tap.errors)")
                let lines = tap.output.split(separator: "\n")
                #expect(lines[0].contains(" hub ") || lines[0].contains(" status "), "\(lines[0])")
                #expect(lines.contains { $0.hasPrefix("    topic ") })
                #expect(lines.contains { $0.hasPrefix("    000000  54 4d 01 2") })
                let there = try Program.trace(
                    arguments + ["--write", fleet.broker.process.log], in: fleet.home)
                #expect(there.exit == Self.usage)
                #expect(there.output.contains("is there already"), "\(there.output)")
            }
        }

        @Test func `what cannot be tapped or decoded has its status`() async throws {
            try await withHome { home in
                let nowhere = "mqtt://127.0.0.1:\(try FreePort.next())"
                let cases: [(arguments: [String], exit: ProcessExit, said: String)] = [
                    (["tap", "--broker", nowhere], Self.unreachable, "cannot reach \(nowhere)"),
                    (["tap", "--broker", "http://x"], Self.usage, "mqtt://"),
                    (["tap", "--agent", "No Such"], Self.usage, "--agent"),
                    (["tap", "--count", "0"], Self.usage, "--count"),
                    (["decode"], Self.usage, "<file>"),
                    (["decode", "\(home)/none"], Self.notFound, "there is no"),
                    (["decode", "/bin/sh"], Self.notFine, "at byte 0: it does not begin with"),
                ]
                for (arguments, exit, said) in cases {
                    let result = try Program.trace(arguments, in: home)
                    #expect(result.exit == exit, "\(arguments): \(result.output)")
                    #expect(result.output.contains(said), "\(arguments): \(result.output)")
                }
            }
        }

        private func startTap(_ arguments: [String], _ fleet: Fleet) throws -> ChildProcess {
            let tap = ChildProcess(
                name: "tap", executable: "\(try FleetPlan.binariesBesideThis())/tributary-trace",
                arguments: ["tap", "--broker", fleet.broker.url] + arguments,
                log: "\(fleet.home)/tap.log")
            try tap.start()
            try waitUntil("the tap listens", within: .seconds(15)) {
                tap.logTail().contains("Listening at ")
            }
            return tap
        }

        /// Of the JSON lines in a log that has other lines too.
        private func kinds(in log: String) -> [String] {
            let text = String(
                decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
            return text.split(separator: "\n").filter { $0.hasPrefix("{") }.compactMap { line in
                try? JSONValue(parsing: Array(line.utf8))["kind"].string
            }
        }
    }
}
