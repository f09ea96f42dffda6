import FleetHarness
import Foundation
import Testing

@Suite struct ChildProcessTests {
    @Test func `how a process ended is known, and its output is in the log`() async throws {
        try await inFolder { home in
            let process = shell("echo out; echo err >&2; exit 7", home)
            try process.start()
            #expect(process.waitUntilEnded(within: .seconds(20)) == .status(7))
            #expect(process.logTail() == "out\nerr")
            #expect(!process.isRunning)
        }
    }

    @Test func `a process can be killed and started again, and its log goes on`() async throws {
        try await inFolder { home in
            let process = shell("echo started; exec sleep 600", home)
            try process.start()
            try waitUntil("the first line", within: .seconds(20)) { process.logTail() == "started" }
            #expect(process.exit == nil)
            let first = try #require(process.pid)
            #expect(process.kill() == .signal(SIGKILL))
            #expect(!exists(first))
            try process.start()
            try waitUntil("a second line", within: .seconds(20)) {
                process.logTail() == "started\nstarted"
            }
            #expect(process.pid != first)
            #expect(process.terminate() == .signal(SIGTERM))
        }
    }

    @Test func `a process that does not hear SIGTERM is killed when the patience is over`()
        async throws
    {
        try await inFolder { home in
            let process = shell("trap '' TERM; echo deaf; exec sleep 600", home)
            try process.start()
            try waitUntil("it is deaf", within: .seconds(20)) { process.logTail() == "deaf" }
            #expect(process.terminate(within: .milliseconds(200)) == .signal(SIGKILL))
        }
    }

    @Test func `a program that does not exist is an error of the start or its end`() async throws {
        try await inFolder { home in
            let process = ChildProcess(
                name: "none", executable: "\(home)/none", arguments: [], log: "\(home)/log")
            var exit: ProcessExit?
            do {
                try process.start()
                exit = process.waitUntilEnded(within: .seconds(20))
            } catch is SystemError {
                exit = .status(127)
            }
            #expect(exit?.isClean == false)
        }
    }

    @Test func `a process that nobody holds any more is ended`() async throws {
        try await inFolder { home in
            var process: ChildProcess? = shell("exec sleep 600", home)
            try process?.start()
            let pid = try #require(process?.pid)
            process = nil
            #expect(!exists(pid))
        }
    }

    @Test func `when this process is killed, so are those that it started`() async throws {
        let result = try #require(
            await #expect(
                processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
            ) {
                let process = sleeper()
                try process.start()
                print("pid=\(process.pid ?? 0);")
                fflush(nil)
                kill(getpid(), SIGKILL)
            })
        let pid = try #require(reportedPID(result.standardOutputContent))
        try await onThread {
            try waitUntil("\(pid) is gone", within: .seconds(20)) { !exists(pid) }
        }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func `when this process is told to end, those that it started end first`(
        signal: Int32
    ) async throws {
        let result: ExitTest.Result? =
            switch signal {
            case SIGINT:
                await #expect(
                    processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]
                ) { try endedBy(SIGINT) }
            case SIGTERM:
                await #expect(
                    processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]
                ) { try endedBy(SIGTERM) }
            default:
                await #expect(
                    processExitsWith: .signal(SIGHUP), observing: [\.standardOutputContent]
                ) { try endedBy(SIGHUP) }
            }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        #expect(output.contains("gone=true"))
    }
}

/// Starts a process, sends the signal to ourselves, and says in the end whether the process was ended before.
private func endedBy(_ signal: Int32) throws {
    let process = sleeper()
    try process.start()
    let pid = process.pid ?? 0
    TerminationSignals.whenEnding {
        print("pid=\(pid); gone=\(!exists(pid))")
        fflush(nil)
    }
    kill(getpid(), signal)
    while true { pause() }
}

private func reportedPID(_ output: [UInt8]) -> pid_t? {
    let text = String(decoding: output, as: UTF8.self)
    guard let start = text.range(of: "pid="), let end = text.range(of: ";") else { return nil }
    return pid_t(text[start.upperBound..<end.lowerBound])
}

private func exists(_ pid: pid_t) -> Bool { kill(pid, 0) == 0 }

private func shell(_ script: String, _ home: String) -> ChildProcess {
    ChildProcess(
        name: "shell", executable: "/bin/sh", arguments: ["-c", script], log: "\(home)/log")
}

private func sleeper() -> ChildProcess {
    ChildProcess(name: "sleeper", executable: "/bin/sleep", arguments: ["600"], log: "/dev/null")
}

private func inFolder(_ body: @escaping @Sendable (String) throws -> Void) async throws {
    try await onThread {
        let home = try FleetPlan.temporaryHome()
        defer { try? FileManager.default.removeItem(atPath: home) }
        try body(home)
    }
}
