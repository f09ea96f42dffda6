import FleetHarness
import Foundation
import Testing
import Workload

extension IntegrationTests {
    @Suite struct SocketTests {
        @Test func `an agent listens on a Unix socket, and does so again after SIGKILL`()
            async throws
        {
            try await withHome { home in
                let path = "\(home)/agent.sock"
                let process = ChildProcess(
                    name: "agent",
                    executable: "\(try FleetPlan.binariesBesideThis())/tributary-agent",
                    arguments: [
                        "run", "--id", "till-1", "--data", "\(home)/till-1",
                        "--listen", "unix:\(path)",
                        "--broker", "mqtt://127.0.0.1:\(try FreePort.next())",
                    ], log: "\(home)/agent.log")
                defer { process.kill() }
                var ids: [String] = []
                for round in 1...3 {
                    try process.start()
                    let client = AgentClient(path: path)
                    try waitUntil("the agent ready", within: .seconds(20)) {
                        if process.exit != nil {
                            throw TimedOut(what: process.logTail(), limit: .zero)
                        }
                        return try client.http.get("/readyz").status == 200
                    }
                    ids += try client.accept([.sale(round)])
                    for id in ids {
                        #expect(try client.http.get("/v1/transactions/\(id)").status == 200)
                    }
                    if round == 1 { process.kill() }
                    if round == 2 { #expect(process.terminate(within: .seconds(10)) == .status(0)) }
                }
                #expect(process.terminate(within: .seconds(10)) == .status(0))
            }
        }
    }
}
