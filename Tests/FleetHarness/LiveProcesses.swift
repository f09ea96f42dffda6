import Foundation
import Synchronization

/// Every process that this one has started and that still runs.
///
/// **Nothing outlives us**, in three layers. A fleet ends its processes when it is torn down, by an error too.
/// SIGINT, SIGTERM and SIGHUP end them through ``TerminationSignals``. And where this process dies without
/// a chance to do anything (a crash, SIGKILL), the kernel kills them: each is started through `setpriv
/// --pdeathsig` (util-linux, part of every Debian), which asks for a signal on the parent's death and
/// becomes the program. Where there is no such command, the first two layers remain.
///
/// **Implementation.** Each child leads a process group of its own, so that Ctrl-C at a terminal reaches only
/// us and the order of the end is ours to choose. The kernel sends the death signal when the *thread*
/// that made the child ends; therefore one thread, which never ends, makes them all.
package enum LiveProcesses {
    private struct State {
        var runs: [ObjectIdentifier: ProcessRun] = [:]
        var isEnding = false
    }

    private static let state = Mutex(State())
    private static let spawner = SpawnerThread()

    /// Ends all that run: SIGTERM to each, and SIGKILL to those that are left when the patience is over.
    /// Nothing is started any more.
    package static func endAll(patience: Duration) {
        let runs = state.withLock { state in
            state.isEnding = true
            return Array(state.runs.values)
        }
        for run in runs { run.send(SIGTERM) }
        let deadline = Deadline(in: patience)
        for run in runs where run.waitUntilEnded(within: deadline.remaining) == nil {
            _ = run.kill()
        }
    }

    /// SIGKILL to all, without waiting.
    static func killAll() {
        for run in state.withLock({ Array($0.runs.values) }) { run.send(SIGKILL) }
    }

    /// - Parameter log: where its output goes; nil lets it write where we write.
    static func spawn(
        _ executable: String, _ arguments: [String], log: String?
    ) throws -> ProcessRun {
        TerminationSignals.install()
        let command = DeathSignal.wrap([executable] + arguments)
        return try state.withLock { state in
            guard !state.isEnding else { throw Unrecoverable(description: "ending, not starting") }
            let pid = try spawner.perform { try posixSpawn(command, log: log) }
            let run = ProcessRun(pid: pid)
            state.runs[ObjectIdentifier(run)] = run
            return run
        }
    }

    static func remove(_ run: ProcessRun) {
        _ = state.withLock { $0.runs.removeValue(forKey: ObjectIdentifier(run)) }
    }
}

/// A command that makes the kernel end a program when its parent dies.
private enum DeathSignal {
    private static let command: String? = ["/usr/bin/setpriv", "/bin/setpriv"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// We may die before the kernel is asked, and then it would never answer. So the parent is looked at after that:
    /// where it is not us any more, the program is not started.
    private static let lookAtParent = "[ \"$PPID\" = \"$0\" ] && exec \"$@\""

    static func wrap(_ arguments: [String]) -> [String] {
        guard let command else { return arguments }
        return [command, "--pdeathsig", "KILL", "--"]
            + ["/bin/sh", "-c", lookAtParent, String(getpid())] + arguments
    }
}

/// The one thread that makes all children, and never ends.
private final class SpawnerThread: Sendable {
    private let jobs = Mutex<[@Sendable () -> Void]>([])
    private let available = DispatchSemaphore(value: 0)

    init() {
        detachThread(named: "spawner") {
            while true {
                self.available.wait()
                let job = self.jobs.withLock { $0.removeFirst() }
                job()
            }
        }
    }

    /// Runs the body on the thread, and waits for it.
    func perform(_ body: @escaping @Sendable () throws -> pid_t) throws -> pid_t {
        let answer = Answer()
        let done = DispatchSemaphore(value: 0)
        jobs.withLock { jobs in
            jobs.append {
                answer.result.withLock { $0 = Result { try body() } }
                done.signal()
            }
        }
        available.signal()
        done.wait()
        guard let result = answer.result.withLock({ $0 }) else {
            preconditionFailure("the job leaves its result before it signals")
        }
        return try result.get()
    }

    private final class Answer: Sendable {
        let result = Mutex<Result<pid_t, any Error>?>(nil)
    }
}

/// Starts a program with no input, its output appended to the log, no other descriptor of ours, default signals, and
/// a process group of its own.
private func posixSpawn(_ command: [String], log: String?) throws -> pid_t {
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
    for descriptor in inheritableDescriptors() {
        posix_spawn_file_actions_addclose(&files, descriptor)
    }
    if let log {
        posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&files, 1, 2)
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: pid_t = 0
    let arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    let result = Descriptors.withoutSpawning {
        posix_spawn(&pid, command[0], &files, &attributes, arguments, environ)
    }
    guard result == 0 else { throw SystemError("start \(command[0])", code: result) }
    return pid
}

/// What somebody may have left open for our children. Those that we open are closed on exec anyway.
private func inheritableDescriptors() -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.compactMap { Int32($0) }.filter { $0 > 2 }
}
