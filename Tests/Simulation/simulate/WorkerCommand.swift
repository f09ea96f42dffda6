import ArgumentParser
import Foundation
import Simulator

/// Runs seeds for a parent, and says on standard output what it does: a process of its own, because a
/// precondition of the cores ends it.
///
/// Lines: `begin SEED`, `fault ID` (of a single seed), and in the end `report JSON`.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Option var from: UInt64 = 0
    @Option var count: UInt64 = 1
    @Option var only: String?
    @Option var clients: Int?
    @Option var steps: Int?
    @Flag var tellsFaults = false
    @Flag var stopAtFirst = false

    func run() throws {
        var report = Report()
        let began = ProcessInfo.processInfo.systemUptime
        for seed in from..<from + count {
            Output.line("begin \(seed)")
            let input = RunInput(
                seed: seed, only: only.flatMap(RunInput.faults), clientsMax: clients,
                stepsMax: steps)
            let result = Simulation.run(
                input, heard: tellsFaults ? { Output.line("fault \($0)") } : nil)
            if tellsFaults { Output.line("clients \(result.clientCount)") }
            report.add(result)
            if stopAtFirst, result.violation != nil { break }
        }
        report.computedTime = ProcessInfo.processInfo.systemUptime - began
        let json = try JSONEncoder().encode(report)
        Output.line("report \(String(decoding: json, as: UTF8.self))")
    }
}
