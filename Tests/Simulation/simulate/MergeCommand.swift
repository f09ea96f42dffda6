import ArgumentParser
import Foundation
import Simulator

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Adds the reports of parts up to one.")

    @Argument(help: "Reports that `--json` wrote.")
    var files: [String]

    @Option(help: "Writes the whole there.")
    var json: String?

    func run() throws {
        var whole = Report()
        for file in files {
            let data = try Data(contentsOf: URL(fileURLWithPath: file))
            whole.add(try JSONDecoder().decode(Report.self, from: data))
        }
        let output = ReportOutput(whole)
        if let json { try output.write(to: json) }
        for failure in whole.failures { print(failure.sentence) }
        output.printSummary(realTime: nil)
        if !whole.isGood { throw ExitCode(1) }
    }
}
