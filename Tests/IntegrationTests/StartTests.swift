import FleetHarness
import Foundation
import GRDB
import Testing
import Workload

extension IntegrationTests {
    @Suite struct StartTests {
        private static let failure = ProcessExit.status(1)
        private static let configuration = ProcessExit.status(78)

        @Test func `a data folder in use is refused with the process that has it`() async throws {
            try await withRunningFleet { fleet in
                for daemon in fleet.daemons {
                    let pid = try #require(daemon.process.pid)
                    let second = try start(daemon, port: FreePort.next(), fleet)
                    #expect(second.exit == Self.failure)
                    #expect(second.output.contains("is in use by process \(pid)"), "\(second)")
                    #expect(daemon.process.isRunning)
                }
            }
        }

        @Test func `a port that is taken is refused with its address`() async throws {
            try await withRunningFleet { fleet in
                for daemon in fleet.daemons {
                    let folder = "\(fleet.home)/other-\(daemon.name)"
                    let second = try start(daemon, data: folder, port: daemon.port, fleet)
                    #expect(second.exit == Self.failure)
                    let sentence = "127.0.0.1:\(daemon.port) is already in use by another program"
                    #expect(second.output.contains(sentence), "\(second)")
                }
            }
        }

        @Test func `an agent that cannot listen is not heard of, and holds nothing back`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let port = agent.daemon.port
                let failed = try Program.agent(
                    [
                        "run", "--id", "till-9", "--data", "\(fleet.home)/till-9", "--listen",
                        "127.0.0.1:\(port)", "--broker", fleet.broker.url,
                    ], in: fleet.home)
                #expect(failed.exit == Self.failure)
                #expect(!failed.output.contains("agent started"), "\(failed.output)")
                // What is said later at the broker is heard later.
                try agent.client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                let aggregator = fleet.aggregator.client
                let known = try aggregator.agents().map { $0["id"] }
                #expect(known == ["till-1"])
                try waitUntil("the ledger is complete through a time", within: .seconds(15)) {
                    try aggregator.ledger().json["complete_through"].string != nil
                }
            }
        }

        @Test func `what a daemon keeps is its owner's alone`() async throws {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept([.sale(1)])
                try fleet.waitUntilDrained()
                for daemon in fleet.daemons {
                    for name in try FileManager.default.contentsOfDirectory(atPath: daemon.data) {
                        let path = "\(daemon.data)/\(name)"
                        let attributes = try FileManager.default.attributesOfItem(atPath: path)
                        let mode = attributes[.posixPermissions] as? Int
                        #expect(mode == 0o600, "\(path)")
                    }
                }
            }
        }

        @Test func `rows are not made anew where there is no aggregator, and nothing is made`()
            async throws
        {
            try await withHome { home in
                let folder = "\(home)/nowhere"
                let result = try Program.aggregator(["rebuild", "--data", folder], in: home)
                #expect(result.exit == Self.failure)
                #expect(result.output.contains("there is no aggregator in \(folder)"))
                #expect(!FileManager.default.fileExists(atPath: folder))
            }
        }

        @Test func `a folder of another agent is refused, and still works for its own`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0]
                let id = try agent.client.accept([.sale(1)])[0]
                #expect(agent.daemon.stop() == .status(0))
                let arguments = ["run", "--id", "till-2", "--data", agent.daemon.data]
                let other = try Program.agent(
                    arguments + ["--listen", "127.0.0.1:\(try FreePort.next())"], in: fleet.home)
                #expect(other.exit == Self.failure)
                #expect(other.output.contains("till-1"), "\(other)")
                #expect(other.output.contains("till-2"), "\(other)")
                try fleet.expectSoundFolders()
                try agent.daemon.start()
                let kept = try agent.client.http.json("/v1/transactions/\(id)")
                #expect(Workload.Operation.sale(1).difference(from: kept) == nil)
                #expect(try agent.client.accept([.sale(1)]) == [id])
            }
        }

        @Test func `a folder that is another's is refused, and not a byte of it changes`()
            async throws
        {
            try await withRunningFleet { fleet in
                let agent = fleet.agents[0].daemon
                try fleet.agents[0].client.accept((1...20).map { .sale($0) })
                try fleet.waitUntilDrained()
                for daemon in fleet.daemons { #expect(daemon.stop() == .status(0)) }
                let hub = fleet.aggregator.daemon
                let agentProgram = "tributary-agent"
                let hubProgram = "tributary-aggregator"
                let keyless = "\(fleet.home)/keyless"
                try FileManager.default.copyItem(atPath: agent.data, toPath: keyless)
                try FileManager.default.removeItem(atPath: "\(keyless)/device.key")
                let starts: [(String, [String], String, said: String)] = [
                    (agentProgram, ["--id", "till-2"], agent.data, "belongs to agent till-1"),
                    (
                        agentProgram, ["--id", "till-1", "--ledger", "other"], agent.data,
                        "belongs to ledger main"
                    ),
                    (agentProgram, ["--id", "till-1"], hub.data, "folder of an aggregator"),
                    (agentProgram, ["--id", "till-1"], keyless, "device.key is missing"),
                    (hubProgram, ["--ledger", "other"], hub.data, "belongs to ledger main"),
                    (hubProgram, [], agent.data, "folder of an agent"),
                ]
                for (program, identity, folder, said) in starts {
                    // The process id, and an index of the write-ahead log that every opening makes anew.
                    let passing: Set = ["lock", "agent.db-shm", "aggregator.db-shm"]
                    let before = try FolderState(folder, but: passing)
                    let result = try Program.run(
                        program,
                        ["run"] + identity + [
                            "--data", folder, "--listen", "127.0.0.1:\(try FreePort.next())",
                        ], in: fleet.home)
                    #expect(result.exit == Self.failure, "\(identity): \(result.output)")
                    #expect(result.output.contains(said), "\(identity): \(result.output)")
                    let after = try FolderState(folder, but: passing)
                    #expect(after.changes(since: before) == [], "\(program) \(identity)")
                }
            }
        }

        @Test(arguments: Damage.all)
        func `a damaged database stops the start with its place, and stays as it is`(
            damage: Damage
        ) async throws {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept((1...500).map { .sale($0) })
                try fleet.waitUntilDrained()
                for daemon in fleet.daemons { #expect(daemon.stop() == .status(0)) }
                for (daemon, name) in zip(fleet.daemons, ["aggregator.db", "agent.db"]) {
                    let path = "\(daemon.data)/\(name)"
                    try damage.inflict(on: path)
                    // The process id, and an index of the write-ahead log that every opening makes anew.
                    let passing: Set = ["lock", "\(name)-shm"]
                    let before = try FolderState(daemon.data, but: passing)
                    let result = try start(daemon, port: daemon.port, fleet)
                    #expect(result.exit == Self.failure, "\(daemon.name): \(result.output)")
                    #expect(result.output.contains(path), "\(result.output)")
                    #expect(result.output.contains("damaged"), "\(result.output)")
                    let after = try FolderState(daemon.data, but: passing)
                    #expect(after.changes(since: before) == [], "\(daemon.name)")
                    let verify = try Program.trace(["verify", daemon.data], in: fleet.home)
                    #expect(verify.exit == Self.failure, "\(verify.output)")
                }
            }
        }

        /// What a writer spoiled is set aside (WireDamageTests); what the disk spoiled is not.
        @Test func `a name that the disk spoiled stops the start with its place`() async throws {
            try await withRunningFleet { fleet in
                try fleet.agents[0].client.accept((1...20).map { .sale($0) })
                try fleet.waitUntilDrained()
                for daemon in fleet.daemons { #expect(daemon.stop() == .status(0)) }
                for (daemon, name) in zip(fleet.daemons, ["aggregator.db", "agent.db"]) {
                    let queue = try DatabaseQueue(path: "\(daemon.data)/\(name)")
                    try queue.write {
                        try $0.execute(
                            sql: "UPDATE definitions SET bytes = zeroblob(length(bytes))")
                    }
                    try queue.close()
                    let result = try start(daemon, port: daemon.port, fleet)
                    #expect(result.exit == Self.failure, "\(daemon.name): \(result.output)")
                    #expect(result.output.contains("\(daemon.data)/\(name)"), "\(result.output)")
                    #expect(result.output.contains("table definitions"), "\(result.output)")
                }
            }
        }

        @Test func `a damaged middle of the log is found by the audit, and makes the hub unready`()
            async throws
        {
            try await withRunningFleet { fleet in
                for start in [1, 301] {
                    try fleet.agents[0].client.accept((start..<start + 300).map { .sale($0) })
                    try fleet.waitUntilDrained()
                }
                let hub = fleet.aggregator
                let http = hub.client.http
                #expect(
                    try http.get("/metrics").text.contains("aggregator_log_unreadable 0"))
                #expect(hub.daemon.stop() == .status(0))
                try Damage.flipBit(of: .first, in: "\(hub.daemon.data)/aggregator.db")
                try hub.daemon.start()
                #expect(try http.get("/v1/ledger").status == 503)
                let ready = try http.get("/readyz")
                #expect(ready.status == 503)
                #expect(ready.text.contains("the audit cannot read the log"), "\(ready.text)")
                #expect(
                    try http.get("/metrics").text.contains("aggregator_log_unreadable 1"))
            }
        }

        @Test func `a folder of before the mark gets it, and one that was never founded begins`()
            async throws
        {
            try await withRunningFleet { fleet in
                for (daemon, name) in zip(fleet.daemons, ["aggregator.db", "agent.db"]) {
                    let path = "\(daemon.data)/\(name)"
                    let mark = "\(path.dropLast(3)).founded"
                    let first = try String(contentsOfFile: mark, encoding: .utf8)
                    #expect(daemon.stop() == .status(0))
                    try FileManager.default.removeItem(atPath: mark)
                    try daemon.start()
                    #expect(try String(contentsOfFile: mark, encoding: .utf8) == first)
                    #expect(daemon.stop() == .status(0))
                    // As a first start leaves it that ended behind the key.
                    try FileManager.default.removeItem(atPath: mark)
                    try Data().write(to: URL(filePath: path))
                    try daemon.start()
                    #expect(try String(contentsOfFile: mark, encoding: .utf8) != first)
                }
            }
        }

        /// Starts a daemon of a fleet once more, and waits for its end.
        private func start(
            _ daemon: Daemon, data: String? = nil, port: UInt16, _ fleet: Fleet
        ) throws -> Program {
            let isAgent = daemon.name != fleet.aggregator.daemon.name
            let identity = isAgent ? ["--id", daemon.name] : []
            return try Program.run(
                isAgent ? "tributary-agent" : "tributary-aggregator",
                ["run"] + identity + [
                    "--data", data ?? daemon.data, "--listen", "127.0.0.1:\(port)",
                    "--broker", fleet.broker.url,
                ], in: fleet.home)
        }
    }
}

/// What may happen to a database.
struct Damage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    private var inflict: @Sendable (String) throws -> Void

    func inflict(on path: String) throws { try inflict(path) }

    private init(
        testDescription: String, to change: @escaping @Sendable (inout Data) -> Void
    ) {
        self.testDescription = testDescription
        inflict = { path in
            var data = try Data(contentsOf: URL(filePath: path))
            change(&data)
            try data.write(to: URL(filePath: path))
        }
    }

    private init(_ description: String, inflict: @escaping @Sendable (String) throws -> Void) {
        testDescription = description
        self.inflict = inflict
    }

    enum Place: String {
        case first = "min"
        case last = "max"
    }

    /// Changes one bit in the middle of a segment of a database that nobody has open.
    static func flipBit(of place: Place, in path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            let row = try #require(
                try Row.fetchOne(
                    database,
                    sql: """
                        SELECT position, bytes FROM segments
                        WHERE position = (SELECT \(place.rawValue)(position) FROM segments)
                        """))
            var bytes: Data = row[1]
            bytes[bytes.count / 2] ^= 0x04
            let trigger = try #require(
                try String.fetchOne(
                    database,
                    sql: "SELECT sql FROM sqlite_master WHERE name = 'segments_are_immutable'"))
            try database.execute(sql: "DROP TRIGGER segments_are_immutable")
            try database.execute(
                sql: "UPDATE segments SET bytes = ? WHERE position = ?",
                arguments: [bytes, row[0] as Int64])
            try database.execute(sql: trigger)
        }
        try queue.close()
    }

    static let all = [
        Damage("one bit of the last segment is another") { try flipBit(of: .last, in: $0) },
        Damage("the root page of the segments is overwritten") { path in
            let queue = try DatabaseQueue(path: path)
            let page = try queue.read {
                try Int.fetchOne(
                    $0, sql: "SELECT rootpage FROM sqlite_master WHERE name = 'segments'")
            }
            try queue.close()
            let file = try FileHandle(forUpdating: URL(filePath: path))
            try file.seek(toOffset: UInt64(4_096 * (try #require(page) - 1)))
            try file.write(contentsOf: Data(repeating: 0xFF, count: 8))
            try file.close()
        },
        Damage("the file is gone") { try FileManager.default.removeItem(atPath: $0) },
        Damage(testDescription: "nothing is left") { $0 = Data() },
        Damage(testDescription: "the first bytes are others") { data in
            data.replaceSubrange(0..<16, with: Data(repeating: 0x5A, count: 16))
        },
        Damage(testDescription: "the schema is overwritten") { data in
            data.replaceSubrange(100..<4_096, with: Data(repeating: 0xFF, count: 3_996))
        },
        Damage(testDescription: "all after the first page is overwritten") { data in
            data.replaceSubrange(4_096..., with: Data(repeating: 0xFF, count: data.count - 4_096))
        },
        Damage(testDescription: "all after the first page is gone") { $0 = $0.prefix(4_096) },
        Damage(testDescription: "only 50 bytes are left") { $0 = $0.prefix(50) },
    ]
}
