import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    /// What `tributary-trace` says of conflicts, word for word.
    @Suite struct ConflictCommandTests {
        private static let fine = ProcessExit.status(0)
        private static let notFine = ProcessExit.status(1)

        @Test func `a fork is shown with its branches, and settled`() async throws {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let forked = try fleet.makeFork()
                try agent.client.accept([.sale(41)])
                try fleet.waitUntilDrained()
                let id = try #require(try fleet.aggregator.client.conflicts()[0]["id"].string)
                let current = try #require(try agent.client.sync().json["stream"].string)
                let names = [(id, "ID"), (forked, "FORKED"), (current, "CURRENT")]
                let hub = ["--aggregator", fleet.aggregator.daemon.url]

                let forks = try Program.trace(["forks"] + hub, in: fleet.home)
                #expect(forks.exit == Self.notFine)
                #expect(
                    Self.plain(forks.output, names) == """
                        1 stream forked, 1 of them open. See tributary-trace conflicts --kind fork.

                        till-1, stream FORKED  forked, open
                            a branch ends with event 30 (HASH)
                            a branch ends with event 30 (HASH)

                        """)
                let expected = """
                    1 conflict needs you.

                    ID  fork (forked)  till-1, stream FORKED, since TIME
                        Two data folders of agent till-1 went on from one copy, in stream FORKED. \
                    All that either has recorded is merged; the stream is closed, and each goes on in a new one.
                        Branches end with event 30 (HASH) and event 30 (HASH).
                        Evidence: event 20 (HASH), signed in session N.
                        Next: Find out where the second copy of the folder runs, and stop it or give it an id of \
                    its own. Look through what both recorded since for goods that went out twice. \
                    Then resolve the conflict.
                        tributary-trace conflicts resolve ID --by NAME --reason WHY

                    """
                for arguments in [["conflicts"], ["conflicts", "--kind", "fork"]] {
                    let conflicts = try Program.trace(arguments + hub, in: fleet.home)
                    #expect(conflicts.exit == Self.notFine)
                    #expect(Self.plain(conflicts.output, names) == expected)
                }
                // The device says the same of itself; it knows no branch but its own.
                let own = ["conflicts", "--agent", agent.daemon.url]
                let told = try wait(for: "the device knows", within: .seconds(20)) {
                    let told = try Program.trace(own, in: fleet.home)
                    return told.exit == Self.notFine ? told : nil
                }
                let withoutBranches = expected.split(
                    separator: "\n", omittingEmptySubsequences: false
                )
                .filter { !$0.contains("Branches end") }.joined(separator: "\n")
                #expect(Self.plain(told.output, names) == withoutBranches)
                let json = try Program.trace(["conflicts", "--json"] + hub, in: fleet.home).json()
                #expect(json["conflicts"][0]["id"].string == id)
                #expect(
                    try Program.trace(["conflicts", "--kind", "fish"] + hub, in: fleet.home)
                        .output.contains("must be one of fork, gap_lost"))

                try expectDiff(fleet, names)

                let decision = ["--by", "ada", "--reason", "found the second disk"]
                let settled = try Program.trace(
                    ["conflicts", "resolve", id] + decision + hub, in: fleet.home)
                #expect(settled.exit == Self.fine)
                #expect(settled.output.hasPrefix("Settled: \(id), as event hub."))
                let twice = try Program.trace(
                    ["conflicts", "resolve", id] + decision + hub, in: fleet.home)
                #expect(twice.exit == Self.notFine)
                #expect(twice.output.contains("was settled before, by ada"), "\(twice.output)")
                #expect(
                    try Program.trace(["conflicts", "resolve", id] + hub, in: fleet.home)
                        .output.contains("--by"))
                let none = try Program.trace(["conflicts"] + hub, in: fleet.home)
                #expect(none.output == "No conflict is open.\n" && none.exit == Self.fine)
                let all = try Program.trace(["conflicts", "--all"] + hub, in: fleet.home)
                #expect(all.output.contains(" by ada: found the second disk"), "\(all.output)")
                #expect(try Program.trace(["forks"] + hub, in: fleet.home).exit == Self.fine)
                let shown = try Program.trace(["fleet"] + hub, in: fleet.home)
                #expect(shown.output.contains("No agent needs you."), "\(shown.output)")
                fleet.expectCleanEnds()
            }
        }

        private func expectDiff(_ fleet: Fleet, _ names: [(String, String)]) throws {
            let agent = fleet.agents[0]
            let hub = ["--aggregator", fleet.aggregator.daemon.url]
            let expected = """
                till-1: 1 of 2 streams differs.

                stream FORKED  forked
                    device: event 30 (HASH); ledger: event 30 (HASH) and event 30 (HASH)
                    The ledger has all that this device has of it.
                    The ledger has a branch that ends with event 30 (HASH), and that this device did not write or \
                does not have: another copy of its folder did.

                stream CURRENT  open
                    device: event 1 (HASH); ledger: event 1 (HASH)
                    The same.

                """
            for place in [agent.daemon.url, agent.daemon.data] {
                let diff = try Program.trace(["diff", place] + hub, in: fleet.home)
                #expect(diff.exit == Self.notFine)
                #expect(Self.plain(diff.output, names) == expected)
            }
            // The copy that all of it began with.
            let copy = try Program.trace(
                ["diff", "\(agent.daemon.data)-clone"] + hub, in: fleet.home)
            #expect(copy.exit == Self.notFine)
            let words = Self.plain(copy.output, names)
            #expect(
                words.contains(
                    "The ledger has more, from event 21 on: this folder is an older copy."),
                "\(words)")
            #expect(words.contains("This device does not have it"), "\(words)")
        }

        @Test func `what a device has and the ledger has not is told from where they part`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let hub = ["--aggregator", fleet.aggregator.daemon.url]
                try agent.client.accept((1...20).map { .sale($0) })
                try fleet.waitUntilDrained()
                for place in [agent.daemon.url, agent.daemon.data] {
                    let same = try Program.trace(["diff", place] + hub, in: fleet.home)
                    #expect(same.exit == Self.fine)
                    #expect(
                        same.output.hasPrefix("till-1: the device and the ledger have the same."))
                }
                let copy = try agent.daemon.copyData(.running, as: "clone")
                agent.link.cut()
                for sale in 21...25 { try agent.client.accept([.sale(sale)]) }
                for place in [agent.daemon.url, agent.daemon.data] {
                    let behind = try Program.trace(["diff", place, "--json"] + hub, in: fleet.home)
                    #expect(behind.exit == Self.notFine)
                    let stream = try behind.json()["streams"][0]
                    #expect(stream["state"] == "ledger_behind", "\(stream)")
                    #expect(stream["missing"][0]["first"].int == 21)
                    #expect(stream["missing"][0]["last"].int == 25)
                }
                // What is only on that disk, another copy of it writes otherwise.
                let former = try agent.daemon.replaceData(with: copy)
                try agent.daemon.start()
                for sale in 31...33 { try agent.client.accept([.sale(sale)]) }
                agent.link.heal()
                try fleet.waitUntilDrained()
                let parted = try Program.trace(["diff", former] + hub, in: fleet.home)
                #expect(parted.exit == Self.notFine)
                #expect(parted.output.contains("They part at event 21"), "\(parted.output)")
                let other = try Program.trace(
                    ["diff", fleet.aggregator.daemon.data] + hub, in: fleet.home)
                #expect(other.exit == .status(2) && other.output.contains("agent's data folder"))
                fleet.expectCleanEnds()
            }
        }

        @Test func `a poisoned event is shown, and a release that cannot be is refused`()
            async throws
        {
            try await withRunningFleet { fleet in
                let hub = ["--aggregator", fleet.aggregator.daemon.url]
                let nothing = try Program.trace(["quarantine"] + hub, in: fleet.home)
                #expect(
                    nothing.output == "Nothing is in quarantine.\n" && nothing.exit == Self.fine)
                let poisoned = try fleet.makePoison()
                let conflict = try wait(for: "the quarantine", within: .seconds(30)) {
                    try fleet.aggregator.client.conflicts().first
                }
                let id = try #require(conflict["id"].string)
                let stream = String(poisoned.split(separator: ".")[1])
                let number = String(poisoned.split(separator: ".")[2])
                let expected = """
                    1 event is in quarantine.

                    ID  quarantined (unreadable)  till-1, stream STREAM, since TIME
                        Event \(number) of agent till-1, stream STREAM, cannot be read. It is kept, and moved no \
                    money when it came; all behind is merged.
                        Without effect: \(number).
                        Next: Find out which software wrote them. Release them with a version that can read them, \
                    or correct the books by hand and resolve the conflict: they stay without effect.
                        tributary-trace quarantine release ID --by NAME --reason WHY
                        tributary-trace conflicts resolve ID --by NAME --reason WHY

                    """
                for side in [hub, ["--agent", fleet.agents[0].daemon.url]] {
                    let shown = try wait(for: "it is known", within: .seconds(20)) {
                        let shown = try Program.trace(["quarantine"] + side, in: fleet.home)
                        return shown.exit == Self.notFine ? shown : nil
                    }
                    #expect(Self.plain(shown.output, [(id, "ID"), (stream, "STREAM")]) == expected)
                }
                let release = try Program.trace(
                    ["quarantine", "release", id, "--by", "ada", "--reason", "try"] + hub,
                    in: fleet.home)
                #expect(release.exit == Self.notFine)
                #expect(release.output.contains("can still not be read"), "\(release.output)")
                let unknown = try Program.trace(
                    ["quarantine", "release", "hub.00000000.1", "--by", "ada", "--reason", "try"]
                        + hub, in: fleet.home)
                #expect(unknown.exit == .status(3))
                for command in ["conflicts", "forks", "quarantine", "diff"] {
                    let help = try Program.trace([command, "--help"], in: fleet.home)
                    #expect(help.exit == Self.fine && help.output.contains("Exit status"))
                }
                fleet.expectCleanEnds()
            }
        }

        /// Without what differs from run to run.
        private static func plain(_ text: String, _ names: [(String, String)]) -> String {
            var text = text
            for (value, name) in names { text = text.replacing(value, with: name) }
            return text.replacing(#/\([0-9a-f]{8}\)/#, with: "(HASH)")
                .replacing(#/since [0-9:. -]+\n/#, with: "since TIME\n")
                .replacing(#/in session \d+/#, with: "in session N")
        }
    }
}
