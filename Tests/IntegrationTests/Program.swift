import FleetHarness
import Foundation

/// A program that has ended: how, and what it wrote to its standard output and error.
struct Program {
    var exit: ProcessExit
    /// Both, as a terminal shows them; of ``traceApart(_:in:)`` the standard output alone.
    var output: String
    /// Of ``traceApart(_:in:)`` the standard error.
    var errors = ""

    /// The output as JSON.
    func json() throws -> JSONValue { try JSONValue(parsing: Array(output.utf8)) }

    /// Runs one of ours to its end.
    ///
    /// - Parameters:
    ///   - home: where its output goes.
    ///   - environment: added to ours.
    /// - Throws: `TimedOut` when it has not ended in time; it is killed then.
    static func run(
        _ name: String, _ arguments: [String], in home: String,
        environment: [String: String] = [:], within limit: Duration = .seconds(30)
    ) throws -> Program {
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let path = "\(try FleetPlan.binariesBesideThis())/\(name)"
        let process = ChildProcess(
            name: name, executable: "/usr/bin/env", arguments: variables + [path] + arguments,
            log: "\(home)/output-\(UInt32.random(in: 0 ... .max))")
        try process.start()
        guard let exit = process.waitUntilEnded(within: limit) else {
            process.kill()
            throw TimedOut(what: "the end of \(name) \(arguments)", limit: limit)
        }
        let output = try String(contentsOfFile: process.log, encoding: .utf8)
        return Program(exit: exit, output: output)
    }

    static func agent(
        _ arguments: [String], in home: String, environment: [String: String] = [:]
    ) throws -> Program {
        try run("tributary-agent", arguments, in: home, environment: environment)
    }

    static func aggregator(_ arguments: [String], in home: String) throws -> Program {
        try run("tributary-aggregator", arguments, in: home)
    }

    static func trace(_ arguments: [String], in home: String) throws -> Program {
        try run("tributary-trace", arguments, in: home)
    }

    /// With standard output and error apart, as a script sees them.
    static func traceApart(_ arguments: [String], in home: String) throws -> Program {
        let path = "\(try FleetPlan.binariesBesideThis())/tributary-trace"
        let log = "\(home)/output-\(UInt32.random(in: 0 ... .max))"
        let script = "exec \"$0\" \"$@\" 2>'\(log).errors'"
        let process = ChildProcess(
            name: "tributary-trace", executable: "/bin/sh",
            arguments: ["-c", script, path] + arguments,
            log: log)
        try process.start()
        guard let exit = process.waitUntilEnded(within: .seconds(30)) else {
            process.kill()
            throw TimedOut(what: "the end of tributary-trace \(arguments)", limit: .seconds(30))
        }
        return Program(
            exit: exit, output: try String(contentsOfFile: log, encoding: .utf8),
            errors: try String(contentsOfFile: "\(log).errors", encoding: .utf8))
    }

    /// The output as JSON: a document, or one a line.
    func jsonLines() throws -> [JSONValue] {
        if let document = try? json() { return [document] }
        return try output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    }
}
