import Foundation
import Workload

/// What is played: operations for each agent, when each is due, and what must come out.
struct Script: Sendable {
    /// More would not be a demonstration, and all of them are in memory.
    static let operationsMax = 1_000_000
    static let agentsMax = 5
    /// How long the day takes here.
    static let length: Duration = .seconds(20)
    /// When an agent is cut off, and when it comes back, as parts of the day.
    static let cutAt = 0.3
    static let healAt = 0.8

    /// One agent's part.
    struct Part: Sendable {
        var agent: String
        var operations: [Workload.Operation] = []
        /// When the operation at the same index is due, counted from the start.
        var due: [Duration] = []
    }

    var title: String
    var parts: [Part]
    var oracle: Oracle
    /// The time of day on the market's clock, when the script has one.
    var opens: Duration?
    var closes: Duration?

    /// The agent that is cut off: the one with most to do.
    var victim: Int {
        parts.indices.max { parts[$0].operations.count < parts[$1].operations.count } ?? 0
    }

    /// How many operations go to an agent in one request, at most.
    var batch: Int { oracle.count > 50_000 ? 500 : 50 }

    /// The market's clock when this part of the day has passed.
    func clock(at part: Double) -> String? {
        guard let opens, let closes else { return nil }
        let minutes = Int((opens + (closes - opens) * min(1, part)).components.seconds / 60)
        return String(format: "%02d:%02d", minutes / 60, minutes % 60)
    }

    static func load(csv: String?, seed: UInt64) throws -> Script {
        guard let csv else { return market(seed: seed) }
        return try file(csv)
    }

    private static func market(seed: UInt64) -> Script {
        let day = MarketDay(seed: seed)
        let (opens, closes) = (MarketDay.start, MarketDay.end)
        var parts = day.nodes.map { Part(agent: $0) }
        var oracle = Oracle()
        for operation in day {
            oracle.record(operation)
            guard let at = operation.at,
                let index = parts.firstIndex(where: { $0.agent == operation.node })
            else { preconditionFailure("\(operation) has no time or no till of its day") }
            parts[index].operations.append(operation)
            parts[index].due.append(length * ((at - opens) / (closes - opens)))
        }
        return Script(
            title: "the market day of seed \(seed)", parts: parts, oracle: oracle, opens: opens,
            closes: closes)
    }

    /// A file's operations are spread evenly over the day, its nodes over the agents.
    private static func file(_ path: String) throws -> Script {
        let operations = try read(path)
        guard !operations.isEmpty else { throw ScriptError("\(path) has no operations") }
        let nodes = Set(operations.map(\.node)).sorted()
        let place = Dictionary(
            uniqueKeysWithValues: nodes.enumerated().map { ($0.element, $0.offset % agentsMax) })
        var parts = (1...agentsMax).map { Part(agent: "agent-\($0)") }
        for (index, operation) in operations.enumerated() {
            let part = place[operation.node, default: 0]
            parts[part].operations.append(operation)
            parts[part].due.append(length * index / operations.count)
        }
        let name = (path as NSString).lastPathComponent
        return Script(
            title: "\(grouped(operations.count)) lines of \(name)", parts: parts,
            oracle: Oracle(operations))
    }

    private static func read(_ path: String) throws -> [Workload.Operation] {
        let bytes = try FileBytes(path)
        var reader = OperationReader(bytes, key: "file")
        var operations: [Workload.Operation] = []
        do {
            while let operation = try reader.next() {
                guard operations.count < operationsMax else {
                    throw ScriptError("more than \(grouped(operationsMax)) operations")
                }
                operations.append(operation)
            }
        } catch {
            // What could not be read explains what could not be understood.
            throw bytes.failure ?? ScriptError("\(path): \(error)")
        }
        if let failure = bytes.failure { throw failure }
        return operations
    }
}

/// Why there is nothing to play.
struct ScriptError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The bytes of a file, a piece at a time.
private final class FileBytes: IteratorProtocol {
    private static let pieceBytes = 65_536

    private let path: String
    private let file: FileHandle
    private var piece = Data()
    private var position = 0
    /// Why the bytes ended before the file; nil when they did not.
    private(set) var failure: ScriptError?

    init(_ path: String) throws {
        self.path = path
        do {
            file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        } catch {
            throw ScriptError("\(path): \(error.localizedDescription)")
        }
    }

    func next() -> UInt8? {
        if position == piece.count, !refill() { return nil }
        defer { position += 1 }
        return piece[piece.startIndex + position]
    }

    private func refill() -> Bool {
        position = 0
        do {
            piece = try file.read(upToCount: Self.pieceBytes) ?? Data()
        } catch {
            piece = Data()
            failure = ScriptError("\(path): \(error.localizedDescription)")
        }
        return !piece.isEmpty
    }
}
