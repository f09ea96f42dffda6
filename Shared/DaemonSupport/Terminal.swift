import Foundation

/// Where a command's words go.
package struct Terminal: Sendable {
    package var output: @Sendable (String) -> Void
    package var error: @Sendable (String) -> Void

    package init(
        output: @escaping @Sendable (String) -> Void, error: @escaping @Sendable (String) -> Void
    ) {
        self.output = output
        self.error = error
    }

    package static let standard = Terminal(
        output: { FileHandle.standardOutput.write(Data($0.utf8)) },
        error: { FileHandle.standardError.write(Data($0.utf8)) })
}

package enum ProcessEnvironment {
    package static var variables: [String: String] { ProcessInfo.processInfo.environment }
}
