import FleetHarness
import Foundation
import Glibc
import Testing
import Workload

extension IntegrationTests {
    /// Real daemons on a real file system that is full: one in memory, which only root may make. For
    /// others this suite is skipped, and the quota's tests (StorageTests, RetentionTests) and those of
    /// the store on a file system that says it is full (PowerCutTests) stand in.
    @Suite(.enabled("only root may mount a file system here") { SmallDisk.mayBeMade() })
    struct FullDiskTests {
        @Test
        func `an agent on a full disk says 507, loses nothing, and goes on when there is room`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                let disk = try SmallDisk(at: agent.daemon.data)
                defer { disk.unmount() }
                try agent.daemon.start()
                var accepted = (1...50).map { Workload.Operation.sale($0) }
                try agent.client.accept(accepted)
                try disk.fill()
                let full = try Self.postUntilRefused(agent, &accepted)
                #expect(full.status == 507)
                #expect(try full.json()["code"] == "storage_full")
                #expect(full.headers["retry-after"].flatMap(Int.init) ?? 0 > 0)
                // It still reads, and gives first answers again.
                #expect(try agent.client.sync().backlog == accepted.count)
                #expect(try agent.client.post(accepted[7])?.status == 200)
                try disk.makeRoom()
                let more = Workload.Operation.sale(accepted.count + 1)
                try waitUntil("it accepts again", within: .seconds(20)) {
                    try agent.client.post(more)?.isAccepted == true
                }
                accepted.append(more)
                try fleet.broker.start()
                try fleet.aggregator.daemon.start()
                try fleet.expectConvergence(with: Oracle(accepted))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        @Test func `an aggregator on a full disk acknowledges nothing that it could not write`()
            async throws
        {
            try await withFleet { fleet in
                let agent = fleet.agents[0]
                let disk = try SmallDisk(at: fleet.aggregator.daemon.data)
                defer { disk.unmount() }
                try fleet.start()
                let operations = (1...6_000).map { Workload.Operation.sale($0) }
                try agent.client.accept(Array(operations[..<100]))
                try fleet.waitUntilDrained()
                try disk.fill()
                for start in stride(from: 100, to: operations.count, by: 100) {
                    try agent.client.accept(Array(operations[start..<start + 100]))
                }
                try waitUntil("the aggregator says that its disk is full", within: .seconds(20)) {
                    let ready = try fleet.aggregator.client.http.get("/readyz")
                    return ready.status == 503 && ready.text.contains("full")
                }
                #expect(try agent.client.sync().backlog > 0)
                try disk.makeRoom()
                try fleet.expectConvergence(with: Oracle(operations))
                fleet.expectCleanEnds()
                try fleet.expectSoundFolders()
            }
        }

        private static func postUntilRefused(
            _ agent: AgentNode, _ accepted: inout [Workload.Operation]
        ) throws -> HTTPResponse {
            for _ in 0..<20_000 {
                let next = Workload.Operation.sale(accepted.count + 1)
                let response = try agent.client.http.post(
                    "/v1/transactions", next.transactionJSON(),
                    headers: ["Idempotency-Key": "\"\(next.idempotencyKey)\""])
                guard response.status == 201 else { return response }
                accepted.append(next)
            }
            throw TimedOut(what: "a full disk after 20,000 transactions", limit: .zero)
        }
    }
}

/// A file system of 24 MiB in memory, mounted over a daemon's data folder.
private final class SmallDisk: Sendable {
    private static let bytes = 24 << 20
    /// `MNT_DETACH`: at once, whoever still uses it.
    private static let detached: Int32 = 2
    private let path: String
    private var ballast: String { "\(path)/ballast" }

    init(at path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try #require(mount("tmpfs", path, "tmpfs", 0, "size=\(Self.bytes),mode=700") == 0)
    }

    /// Whether this process may mount: the only way to know is to do it.
    static func mayBeMade() -> Bool {
        guard let home = try? FleetPlan.temporaryHome() else { return false }
        defer { rmdir(home) }
        guard mount("tmpfs", home, "tmpfs", 0, "size=4096") == 0 else { return false }
        return umount2(home, detached) == 0
    }

    func unmount() {
        if umount2(path, Self.detached) != 0 { print("\(path): errno \(errno)") }
    }

    /// Takes all the room that is left.
    func fill() throws {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let zeros = [UInt8](repeating: 0, count: 4_096)
        while write(descriptor, zeros, zeros.count) == zeros.count {}
        try #require(errno == ENOSPC)
    }

    func makeRoom() throws {
        try FileManager.default.removeItem(atPath: ballast)
    }
}
