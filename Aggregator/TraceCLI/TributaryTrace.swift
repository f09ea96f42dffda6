import ArgumentParser
import DaemonSupport
import Foundation

/// The command line for whoever debugs sync.
@main
struct TributaryTrace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tributary-trace",
        abstract: "Where is this transaction, why, and what do I do?",
        discussion: """
            Reads an aggregator (--aggregator URL), an agent (--agent URL), or a data folder copied off a device \
            (--db PATH, never written). Times are UTC.

            Exit status: 0 found and fine, 1 found and not fine, 2 usage, 3 not found, 4 cannot reach.
            """,
        version: TributaryVersion.current,
        subcommands: [
            Why.self, JourneyCommand.self, FollowCommand.self, FleetCommand.self,
            GapsCommand.self, ConflictsCommand.self, ForksCommand.self, QuarantineCommand.self,
            DiffCommand.self, Verify.self, Tap.self, Decode.self, SQLCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(error)
        }
    }

    /// Ends with the status that belongs to the error, and says it in one sentence.
    private static func leave(_ error: any Error) -> Never {
        if let status = error as? Outcome { exit(with: status) }
        if let failure = error as? TraceFailure {
            standardError("tributary-trace: \(failure)")
            exit(with: failure.outcome)
        }
        let isHelp = exitCode(for: error) == .success
        let text = fullMessage(for: error)
        if isHelp { print(text) } else { standardError(text) }
        exit(with: isHelp ? .fine : .usage)
    }

    private static func exit(with outcome: Outcome) -> Never {
        Foundation.exit(outcome.rawValue)
    }
}

/// The exit status, the same for every command.
enum Outcome: Int32, Error {
    case fine = 0
    case notFine = 1
    case usage = 2
    case notFound = 3
    case unreachable = 4
}

/// Why a command has nothing to show.
enum TraceFailure: Error, CustomStringConvertible {
    case usage(String)
    case notFound(String)
    case unreachable(String)
    case failed(String)

    var outcome: Outcome {
        switch self {
        case .usage: .usage
        case .notFound: .notFound
        case .unreachable: .unreachable
        case .failed: .notFine
        }
    }

    var description: String {
        switch self {
        case .usage(let text), .notFound(let text), .unreachable(let text), .failed(let text): text
        }
    }
}
