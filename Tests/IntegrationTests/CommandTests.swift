import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What holds for every command of `tributary-trace`.
    @Suite struct CommandTests {
        private static let fine = ProcessExit.status(0)
        private static let notFine = ProcessExit.status(1)

        /// How a command is run with `--json`, and how it is to end.
        private struct Invocation {
            let arguments: [String]
            let exit: ProcessExit
        }

        @Test
        func `every command speaks JSON to a program and fits a window, and none is forgotten`()
            async throws
        {
            try await withRunningFleet(agents: ["till-1", "till-2"]) { fleet in
                let ids = try fleet.agents.map { try $0.client.accept([.sale(1, on: $0.id)])[0] }
                try fleet.waitUntilDrained()
                try waitUntil("both agents online", within: .seconds(15)) {
                    try fleet.aggregator.client.agents().count { $0["state"] == "online" } == 2
                }
                // One of them is cut off, with something left to send.
                fleet.agents[1].link.cut()
                let waiting = try fleet.agents[1].client.accept(
                    (2...40).map { .sale($0, on: "till-2") })
                try waitUntil("it is seen as offline", within: .seconds(15)) {
                    try fleet.aggregator.client.agents().count { $0["state"] == "online" } == 1
                }
                let invocations = try invocations(fleet, merged: ids[0], waiting: waiting[0])
                #expect(Set(invocations.map(\.arguments[0])) == (try commands(fleet)))
                for invocation in invocations {
                    let arguments = invocation.arguments + ["--json"]
                    let result = try Program.traceApart(arguments, in: fleet.home)
                    let said = Comment(rawValue: "\(arguments): \(result.output)\(result.errors)")
                    #expect(result.exit == invocation.exit, said)
                    let lines = try result.jsonLines()
                    #expect(!lines.isEmpty, said)
                    #expect(lines.allSatisfy { $0.object != nil }, said)
                    try expectFits(invocation, fleet)
                }
            }
        }

        /// In windows of both widths no line is wider than the window.
        private func expectFits(_ invocation: Invocation, _ fleet: Fleet) throws {
            for width in [80, 160] {
                let words = try Program.run(
                    "tributary-trace", invocation.arguments, in: fleet.home,
                    environment: ["COLUMNS": "\(width)"])
                #expect(words.exit == invocation.exit, "\(invocation.arguments): \(words.output)")
                let wide = words.output.split(separator: "\n").filter { $0.count > width }
                #expect(wide == [], "\(invocation.arguments) at \(width)")
            }
        }

        private func invocations(
            _ fleet: Fleet, merged: String, waiting: String
        ) throws -> [Invocation] {
            let aggregator = ["--aggregator", fleet.aggregator.daemon.url]
            let broker = ["--broker", fleet.broker.url]
            let capture = "\(fleet.home)/capture"
            let tap = try Program.trace(
                ["tap", "--count", "2", "--write", capture] + broker, in: fleet.home)
            #expect(tap.exit == Self.fine, "\(tap.output)")
            let data = fleet.agents[1].daemon.data
            return [
                Invocation(arguments: ["why", merged] + aggregator, exit: Self.fine),
                Invocation(
                    arguments: ["why", waiting, "--agent", fleet.agents[1].daemon.url],
                    exit: Self.notFine),
                Invocation(arguments: ["journey", merged] + aggregator, exit: Self.fine),
                Invocation(arguments: ["journey", waiting, "--db", data], exit: Self.notFine),
                Invocation(arguments: ["fleet"] + aggregator, exit: Self.fine),
                Invocation(arguments: ["gaps"] + aggregator, exit: Self.fine),
                Invocation(arguments: ["conflicts"] + aggregator, exit: Self.fine),
                Invocation(arguments: ["forks"] + aggregator, exit: Self.fine),
                Invocation(arguments: ["quarantine"] + aggregator, exit: Self.fine),
                Invocation(arguments: ["diff", data] + aggregator, exit: Self.notFine),
                Invocation(
                    arguments: ["follow", "--count", "1", "--after", "1-0-0"] + aggregator,
                    exit: Self.fine),
                Invocation(arguments: ["verify", data], exit: Self.fine),
                Invocation(arguments: ["verify", fleet.aggregator.daemon.url], exit: Self.fine),
                Invocation(arguments: ["tap", "--count", "2"] + broker, exit: Self.fine),
                Invocation(arguments: ["decode", capture], exit: Self.fine),
                Invocation(
                    arguments: ["sql", data, "SELECT * FROM transactions"], exit: Self.fine),
                Invocation(arguments: ["sql", "--schema"], exit: Self.fine),
            ]
        }

        /// What the program itself says that it has.
        private func commands(_ fleet: Fleet) throws -> Set<String> {
            let dump = try Program.traceApart(["--experimental-dump-help"], in: fleet.home)
            let subcommands = try #require(try dump.json()["command"]["subcommands"].array)
            return Set(subcommands.compactMap { $0["commandName"].string }).subtracting(["help"])
        }

        @Test func `every command says what it is for, within eighty columns`() async throws {
            try await withFleet(agents: []) { fleet in
                for command in try commands(fleet) {
                    let help = try Program.trace([command, "--help"], in: fleet.home)
                    #expect(help.exit == Self.fine)
                    #expect(help.output.hasPrefix("OVERVIEW: "), "\(command)")
                    #expect(help.output.contains("--json"), "\(command)")
                    let long = help.output.split(separator: "\n").filter { $0.count > 80 }
                    #expect(long == [], "\(command)")
                }
            }
        }
    }
}
