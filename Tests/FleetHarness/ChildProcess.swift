import Foundation
import Synchronization

/// How a process ended.
package enum ProcessExit: Equatable, Sendable, CustomStringConvertible {
    case status(Int32)
    case signal(Int32)

    package var isClean: Bool { self == .status(0) }

    package var description: String {
        switch self {
        case .status(let status): "exit status \(status)"
        case .signal(let signal): "signal \(signal)"
        }
    }
}

/// One run of a program: from its start to its end, which is noticed at once.
///
/// **Invariant.** A signal never reaches another process: the id is given back to the system under the
/// same lock under which signals are sent.
final class ProcessRun: Sendable {
    let pid: pid_t
    private let ended = DispatchGroup()
    private let result = Mutex<ProcessExit?>(nil)

    init(pid: pid_t) {
        self.pid = pid
        ended.enter()
        detachThread(named: "reaper") { self.reap() }
    }

    var exit: ProcessExit? { result.withLock { $0 } }

    func send(_ signal: Int32) {
        result.withLock { exit in
            if exit == nil { _ = Glibc.kill(pid, signal) }
        }
    }

    /// Waits for the end; nil if it did not come in time.
    func waitUntilEnded(within limit: Duration) -> ProcessExit? {
        _ = ended.wait(timeout: .now() + limit.inSeconds)
        return exit
    }

    /// SIGTERM, then SIGKILL when the patience is over.
    func end(patience: Duration) -> ProcessExit {
        send(SIGTERM)
        if let exit = waitUntilEnded(within: patience) { return exit }
        return kill()
    }

    func kill() -> ProcessExit {
        send(SIGKILL)
        ended.wait()
        guard let exit else { preconditionFailure("the reaper leaves the group after the exit") }
        return exit
    }

    private func reap() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 {
            precondition(errno == EINTR, "only this thread waits for \(pid): errno \(errno)")
        }
        result.withLock { exit in
            var status: Int32 = 0
            let reaped = waitpid(pid, &status, 0)
            precondition(reaped == pid, "\(pid) has ended and is reaped once: errno \(errno)")
            let signal = status & 0x7F
            exit = signal == 0 ? .status(status >> 8 & 0xFF) : .signal(signal)
        }
        LiveProcesses.remove(self)
        ended.leave()
    }
}

/// A program with its arguments and its log, which can be started, ended and started again.
package final class ChildProcess: Sendable {
    package let name: String
    /// Standard output and standard error of all runs, one after the other.
    package let log: String
    private let executable: String
    private let arguments: [String]
    private let run = Mutex<ProcessRun?>(nil)

    /// - Parameters:
    ///   - executable: a path.
    ///   - log: the path of a file, made if need be; its folder must exist.
    package init(name: String, executable: String, arguments: [String], log: String) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.log = log
    }

    deinit {
        _ = run.withLock { $0 }?.kill()
    }

    /// Starts the program. Ready is another matter.
    package func start() throws {
        try run.withLock { current in
            precondition(current == nil || current?.exit != nil, "\(name) is running")
            current = try LiveProcesses.spawn(executable, arguments, log: log)
        }
    }

    package var pid: Int32? { run.withLock { $0 }?.pid }

    /// How the last run ended; nil while it runs, and before the first.
    package var exit: ProcessExit? { run.withLock { $0 }?.exit }

    package var isRunning: Bool {
        let run = run.withLock { $0 }
        return run != nil && run?.exit == nil
    }

    package func send(_ signal: Int32) {
        run.withLock { $0 }?.send(signal)
    }

    /// Ends it now, as a power cut would, and waits until it is gone.
    @discardableResult package func kill() -> ProcessExit? {
        run.withLock { $0 }?.kill()
    }

    /// SIGTERM, and SIGKILL if it has not ended in time: `.signal(9)` tells.
    @discardableResult package func terminate(within patience: Duration = .seconds(15))
        -> ProcessExit?
    {
        run.withLock { $0 }?.end(patience: patience)
    }

    package func waitUntilEnded(within limit: Duration) -> ProcessExit? {
        run.withLock { $0 }?.waitUntilEnded(within: limit)
    }

    /// Runs a program whose output goes where ours goes, and waits for its end.
    ///
    /// - Throws: ``TimedOut`` when it takes too long; it is killed then.
    package static func runInForeground(
        _ executable: String, _ arguments: [String], within limit: Duration
    ) throws -> ProcessExit {
        let run = try LiveProcesses.spawn(executable, arguments, log: nil)
        if let exit = run.waitUntilEnded(within: limit) { return exit }
        _ = run.kill()
        throw TimedOut(what: executable, limit: limit)
    }

    /// The last lines of the log, for a message about what went wrong.
    package func logTail(lines: Int = 12) -> String {
        guard let data = FileManager.default.contents(atPath: log) else { return "" }
        let text = String(decoding: data.suffix(64 << 10), as: UTF8.self)
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}
