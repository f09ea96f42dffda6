import Dispatch
import Foundation

/// Hears Ctrl-C and the request to end, instead of dying of them: the first time. The next ends the process.
final class Interrupts {
    private static let numbers = [SIGINT, SIGTERM]

    private let sources: [any DispatchSourceSignal]

    init(_ interrupted: @escaping @Sendable () -> Void) {
        sources = Self.numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                Self.restore()
                interrupted()
            }
            source.resume()
            return source
        }
    }

    func stop() {
        for source in sources { source.cancel() }
        Self.restore()
    }

    private static func restore() {
        for number in numbers { signal(number, SIG_DFL) }
    }
}
