import Foundation
import Synchronization

/// One line on standard error that says how far long work has come.
enum Progress {
    private static let lastShown = Mutex(0.0)
    private static let isTerminal = isatty(2) == 1

    /// On a terminal the line is written over, elsewhere there is one now and then.
    static func show(_ text: String) {
        let now = ProcessInfo.processInfo.systemUptime
        let isDue = lastShown.withLock { last in
            guard now - last >= (isTerminal ? 0.2 : 20) else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        FileHandle.standardError.write(Data((isTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n").utf8))
    }

    static func end() {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    }
}
