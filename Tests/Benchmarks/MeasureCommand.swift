import ArgumentParser
import FleetHarness
import Foundation

/// Runs the benchmarks, prints the table, and writes the JSON.
struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measures, prints a table and writes JSON.",
        discussion: """
            Starts brokers, daemons and agents as real processes on free ports of 127.0.0.1, and \
            ends everything that it started. Every run measures the raw neighbours too: what \
            SQLite and the broker do alone on this machine, at this moment. A figure means \
            nothing without them.

            A benchmark is no test: the exit status says whether everything ran and added up, not \
            how fast it was.
            """)

    @Flag(help: "A second or less each: shows that they run, not how fast.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            """
            Only this benchmark, beside the raw neighbours; may be repeated. One of \
            \(Benchmark.allCases.map(\.rawValue).joined(separator: ", ")).
            """,
            valueName: "name"))
    var only: [Benchmark] = []

    @Option(help: ArgumentHelp("Also write the figures to this file.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Seconds measured, behind the warm-up.", valueName: "s"))
    var seconds: Double = 10

    @Option(help: ArgumentHelp("Transactions of end-to-end, in millions.", valueName: "n"))
    var millions: Double = 5

    @Option(
        help: ArgumentHelp(
            "Where the daemons are. (default: beside this executable)", valueName: "dir"))
    var bin: String?

    mutating func validate() throws {
        guard seconds > 0, seconds <= 3_600 else {
            throw ValidationError("--seconds must be more than 0 and at most 3600")
        }
        guard millions >= 0.01, millions <= 1_000 else {
            throw ValidationError("--millions must be 0.01 to 1000")
        }
    }

    mutating func run() throws {
        TerminationSignals.install()
        let home = try FleetPlan.temporaryHome()
        TerminationSignals.whenEnding { try? FileManager.default.removeItem(atPath: home) }
        let plan = Plan(
            warmUp: quick ? .milliseconds(200) : .seconds(2),
            measured: quick ? .milliseconds(500) : .seconds(seconds),
            transactions: quick ? 100_000 : Int(millions * 1_000_000),
            isQuick: quick, binaries: try bin ?? FleetPlan.binariesBesideThis(), home: home)
        var report = Report()
        for benchmark in Benchmark.allCases
        where benchmark.isRaw || only.isEmpty || only.contains(benchmark) {
            say("measuring \(benchmark.rawValue)")
            do {
                for figure in try measure(benchmark, plan) { report.add(figure) }
            } catch {
                say("\(benchmark.rawValue) failed: \(error)\nLogs are in \(home)")
                throw ExitCode(1)
            }
        }
        print(report.table)
        if let json { try report.json().write(to: URL(fileURLWithPath: json)) }
        try FileManager.default.removeItem(atPath: home)
    }

    /// Its figures, and what the rest of the machine did meanwhile: children have ended when it returns, so what is not
    /// ours or theirs is of others.
    private func measure(_ benchmark: Benchmark, _ plan: Plan) throws -> [Figure] {
        let (start, before) = (monotonicNanoseconds(), try ProcessUse.machineSeconds())
        let figures = try benchmark.measure(plan)
        let after = try ProcessUse.machineSeconds()
        let elapsed = Double(monotonicNanoseconds() - start) / 1e9
        let others = max(0, after.all - before.all - (after.ours - before.ours)) / elapsed
        return figures + [
            Figure(
                benchmark, "others' processors", others, "cores",
                note: "what else ran meanwhile, the kernel's threads included")
        ]
    }

    /// Progress goes beside the table, not into it.
    private func say(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }
}

/// Everything that can be measured, in the order in which it is.
enum Benchmark: String, CaseIterable, ExpressibleByArgument {
    case rawSQLite = "raw-sqlite"
    case rawMQTT = "raw-mqtt"
    case post
    case batch
    case ndjsonIn = "ndjson-in"
    case endToEnd = "end-to-end"
    case merge
    case memory
    case latency
    case export

    /// Measured in every run.
    var isRaw: Bool { self == .rawSQLite || self == .rawMQTT }

    func measure(_ plan: Plan) throws -> [Figure] {
        switch self {
        case .rawSQLite: try RawSQLite.measure(plan)
        case .rawMQTT: try RawMQTT.measure(plan)
        case .post: try PostBenchmark.measure(plan)
        case .batch: try BatchBenchmark.measure(plan)
        case .ndjsonIn: try LinesBenchmark.measure(plan)
        case .endToEnd: try EndToEndBenchmark.measure(plan)
        case .merge: try MergeBenchmark.measure(plan)
        case .memory: try MemoryBenchmark.measure(plan)
        case .latency: try LatencyBenchmark.measure(plan)
        case .export: try ExportBenchmark.measure(plan)
        }
    }
}
