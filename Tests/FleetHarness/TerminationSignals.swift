import Foundation
import Synchronization

/// Ends what we started when we are told to end: SIGINT, SIGTERM and SIGHUP.
///
/// The first signal ends every process politely, performs what was registered, and then lets the signal do
/// to us what it would have done, so that a shell sees why we ended. A second one does not wait.
///
/// **Implementation.** The handler may do next to nothing, so it writes one byte to a pipe; a thread reads it
/// and does the rest. A signal that was ignored when we started (`nohup`) stays ignored.
package enum TerminationSignals {
    private static let numbers = [SIGINT, SIGTERM, SIGHUP]
    /// An agent has ten seconds to finish what it accepted.
    private static let patience: Duration = .seconds(12)
    private static let installed = Mutex(false)
    private static let actions = Mutex<[@Sendable () -> Void]>([])
    private static let ending = Mutex(false)

    /// True from the first signal on. What goes wrong then goes wrong because things are being ended.
    package static var isEnding: Bool { ending.withLock { $0 } }

    /// Performs the action after all processes have ended, before this one does.
    package static func whenEnding(_ action: @escaping @Sendable () -> Void) {
        install()
        actions.withLock { $0.append(action) }
    }

    /// Done by the first start of a process. Doing it again does nothing.
    package static func install() {
        let isFirst = installed.withLock { installed in
            defer { installed = true }
            return !installed
        }
        guard isFirst else { return }
        do {
            let (reader, writer) = try Descriptors.pipe()
            terminationPipe = writer
            detachThread(named: "signals") { watch(reader) }
        } catch {
            preconditionFailure("without a pipe nothing that is started could be ended: \(error)")
        }
        for number in numbers { handle(number) }
    }

    private static func handle(_ number: Int32) {
        let previous = signal(number) { number in
            let code = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = write(terminationPipe, &byte, 1)
            errno = code
        }
        let ignored = unsafeBitCast(SIG_IGN, to: Int.self)
        if unsafeBitCast(previous, to: Int.self) == ignored { signal(number, SIG_IGN) }
    }

    private static func watch(_ descriptor: Int32) {
        var byte: UInt8 = 0
        while true {
            guard read(descriptor, &byte, 1) == 1 else { continue }
            let number = Int32(byte)
            let isFirst = ending.withLock { ending in
                defer { ending = true }
                return !ending
            }
            if isFirst {
                detachThread(named: "ending") { end(number) }
            } else {
                LiveProcesses.killAll()
            }
        }
    }

    private static func end(_ number: Int32) {
        LiveProcesses.endAll(patience: patience)
        for action in actions.withLock({ $0 }) { action() }
        signal(number, SIG_DFL)
        kill(getpid(), number)
    }
}

/// The write end of the pipe. A signal handler can reach only a global; it is set once, before the first
/// handler is installed.
private nonisolated(unsafe) var terminationPipe: Int32 = -1
