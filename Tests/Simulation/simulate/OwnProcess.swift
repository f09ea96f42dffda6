import Foundation
import Simulator

/// This program, run again: for what may end the process that runs it.
enum OwnProcess {
    static let path = "/proc/self/exe"

    /// Starts it with arguments, and gives each line that it prints.
    ///
    /// - Returns: whether it ended by itself, and how.
    static func run(_ arguments: [String], line: (String) -> Void) -> (
        isKilled: Bool, status: Int32
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path).resolvingSymlinksInPath()
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        do { try process.run() } catch { fatalError("cannot start \(path): \(error)") }
        var rest = Data()
        while true {
            let chunk = pipe.fileHandleForReading.availableData
            if chunk.isEmpty { break }
            rest += chunk
            while let end = rest.firstIndex(of: 10) {
                line(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                rest = Data(rest[(end + 1)...])
            }
        }
        process.waitUntilExit()
        return (process.terminationReason == .uncaughtSignal, process.terminationStatus)
    }

    static func lastSteps(_ input: RunInput, count: Int) -> [String] {
        var lines: [String] = []
        _ = run(["run"] + input.arguments + ["--trace"]) { line in
            lines.append(line)
            if lines.count > 2 * count { lines.removeFirst(count) }
        }
        return lines.suffix(count)
    }

    /// A trial of the minimiser.
    static func attempt(_ input: RunInput) -> Minimiser.Trial {
        var arguments = ["worker", "--from"] + input.arguments.dropFirst() + ["--tells-faults"]
        arguments[0] = "worker"
        var faults: [FaultID] = []
        var report: Report?
        var clientCount = 0
        let (isKilled, _) = run(arguments) { line in
            if line.hasPrefix("fault "), let id = FaultID(line.dropFirst(6)) { faults.append(id) }
            if line.hasPrefix("clients ") { clientCount = Int(line.dropFirst(8)) ?? 0 }
            if line.hasPrefix("report ") { report = try? Report(line: line) }
        }
        let crash = Report.Failure(seed: input.seed, violation: nil)
        return Minimiser.Trial(
            failure: isKilled ? crash : report?.failures.first, faults: faults,
            clientCount: clientCount)
    }
}

extension Report {
    /// Of a worker's last line.
    init(line: String) throws {
        self = try JSONDecoder().decode(Report.self, from: Data(line.dropFirst(7).utf8))
    }
}
