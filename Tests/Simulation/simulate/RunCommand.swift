import ArgumentParser
import Foundation
import Simulator

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs seeds (this is what is done without a subcommand).",
        discussion: """
            Exits with 1 where a run broke an invariant, or where, in 1,000 runs and more, something that the
            simulator knows never happened.
            """)

    @Option(help: "The first seed.")
    var from: UInt64 = 0

    @Option(help: "How many seeds.")
    var count: UInt64 = 1000

    @Option(help: "Processes that run them.")
    var jobs = 2

    @Option(help: "Writes the report there, for `merge`.")
    var json: String?

    @Option(help: "Which code this is, for the report.")
    var commit = ""

    @Flag(help: "Ends with the first seed that fails.")
    var stopAtFirst = false

    @Option(help: "Runs this seed alone.")
    var seed: UInt64?

    @Flag(help: "With --seed: prints every step.")
    var trace = false

    @Flag(help: "With --seed: finds the fewest faults and steps that still fail.")
    var minimise = false

    @Option(help: "With --seed: only these faults happen, as --minimise prints them.")
    var only: String?

    @Option(help: "With --seed: at most so many clients.")
    var clients: Int?

    @Option(help: "With --seed: at most so many steps.")
    var steps: Int?

    func validate() throws {
        if seed == nil, trace || minimise || only != nil || clients != nil || steps != nil {
            throw ValidationError("--trace, --minimise, --only, --clients and --steps need --seed")
        }
        if let only, RunInput.faults(only) == nil {
            throw ValidationError("--only takes faults such as loss.3.17, with commas between them")
        }
        if jobs < 1 { throw ValidationError("--jobs is at least 1") }
    }

    func run() throws {
        if let seed { return try runOne(seed) }
        let pool = WorkerPool(jobs: jobs, stopsAtFirst: stopAtFirst)
        let began = Date()
        var report = pool.run(from: from, count: count)
        report.commit = commit
        let output = ReportOutput(report)
        if let json { try output.write(to: json) }
        for failure in report.failures.prefix(3) { describe(failure) }
        output.printSummary(realTime: Date().timeIntervalSince(began))
        if !report.isGood { throw ExitCode(1) }
    }

    private func describe(_ failure: Report.Failure) {
        print("\n\(failure.sentence)\(commit.isEmpty ? "" : " (commit \(commit))")")
        print("its last steps:")
        for line in OwnProcess.lastSteps(RunInput(seed: failure.seed), count: 20) {
            print("    \(line)")
        }
        print("all of them:    simulate --seed \(failure.seed) --trace")
        print("made small:     simulate --seed \(failure.seed) --minimise")
    }

    // MARK: One seed

    private func runOne(_ seed: UInt64) throws {
        let input = RunInput(
            seed: seed, only: only.flatMap(RunInput.faults), clientsMax: clients, stepsMax: steps)
        if minimise { return try minimise(seed) }
        let result = Simulation.run(input, trace: trace ? { Output.line($0) } : nil)
        let days = Double(result.virtualTime) / 86_400e6
        print(
            "seed \(seed): \(result.steps) steps, digest \(result.digest.text), "
                + "\(String(format: "%.3f", days)) days, \(result.events) events, "
                + "\(result.faults.count) faults")
        guard let violation = result.violation else { return }
        print(Report.Failure(seed: seed, violation: violation).sentence)
        throw ExitCode(1)
    }

    private func minimise(_ seed: UInt64) throws {
        var minimiser = Minimiser(
            seed, attempt: OwnProcess.attempt,
            progress: { Progress.show("\($0) faults left") })
        guard let small = minimiser.minimised() else {
            Progress.end()
            print("seed \(seed) does not fail")
            return
        }
        Progress.end()
        print("simulate \(small.arguments.joined(separator: " ")) --trace")
        for line in OwnProcess.lastSteps(small, count: 40) { print("    \(line)") }
        throw ExitCode(1)
    }
}
