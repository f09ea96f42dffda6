import ArgumentParser
import Foundation
import LedgerCore

/// `diff AGENT`
struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "What a device has against what the ledger has of it, stream by stream.",
        discussion: """
            A path is an agent's data folder or database file, with its agent running or not; it is copied, and the \
            original is never written. An address is a running agent's. Chains are compared by their hashes, so that \
            equal heads mean equal events; where they part, the first event that differs is searched for.

            Exit status: 0 the same, 1 different, 3 the ledger does not know the agent.
            """)

    @Argument(
        help: ArgumentHelp(
            "A data folder, a database file, or an agent's address.", valueName: "path|url"))
    var place: String

    @Option(help: ArgumentHelp("The aggregator's address.", valueName: "url"))
    var aggregator = Sources.defaultAggregator

    @Flag(help: "As JSON.")
    var json = false

    func run() async throws {
        let api = try DaemonAPI(aggregator, option: "--aggregator")
        try await api.expect(.aggregator)
        let isURL = place.hasPrefix("http://") || place.hasPrefix("https://")
        let device: any DeviceChains =
            isURL ? try await RunningDevice(place) : try StoppedDevice(place)
        let ledger = try await LedgerChains(api, of: device.agent)
        let report = try await DiffReport(device, ledger)
        if json { try printJSON(report) } else { report.show(Terminal.standardOutput) }
        if !report.same { throw Outcome.notFine }
    }
}

/// What the ledger has of an agent.
struct LedgerChains {
    private let api: DaemonAPI
    private let agent: String
    let streams: [FleetAnswer.Stream]

    init(_ api: DaemonAPI, of agent: String) async throws {
        self.api = api
        self.agent = agent
        let found: Found<FleetAnswer.Agent> = try await api.look("/v1/agents/\(agent)")
        switch found {
        case .found(let shown): streams = shown.streams
        case .absent(let why): throw TraceFailure.notFound(why)
        }
    }

    /// Whether it has exactly this segment.
    func has(_ segment: ChainSegment, of stream: String) async throws -> Bool {
        // An event that cannot be read is no transaction: then another of the segment tells.
        for number in Set([segment.first, segment.last]) {
            let id = "\(agent).\(stream).\(number)~\(segment.hash.prefix(8))"
            if try await api.answer("/v1/transactions/\(id)").status == 200 { return true }
        }
        return false
    }
}

/// What `diff` finds.
struct DiffReport: Encodable {
    enum State: String, Encodable {
        case same
        /// The ledger lacks the end.
        case ledgerBehind = "ledger_behind"
        /// The device lacks the end: its folder is an older copy.
        case deviceBehind = "device_behind"
        /// Each has something that the other lacks.
        case parted
        /// The ledger has never heard of the stream.
        case unknownToLedger = "unknown_to_ledger"
        /// The device does not have the stream.
        case onlyInLedger = "only_in_ledger"
    }

    struct Range: Encodable {
        var first: UInt64
        var last: UInt64
    }

    struct Stream: Encodable {
        var stream: String
        var state: State
        var standing: String?
        /// Of the device; nil where it does not have the stream.
        var head: BranchAnswer?
        /// The first event that the device keeps.
        var oldestRetained: UInt64?
        var branches: [BranchAnswer]
        /// Those of them that the device's chain does not lead to.
        var otherBranches: [BranchAnswer]
        /// What the ledger lacks of what the device has, or has lost.
        var missing: [Range]
        /// The first event that is not the same, as far as both keep them.
        var firstDifference: UInt64?
    }

    var agent: String
    var same: Bool
    var streams: [Stream]

    init(_ device: any DeviceChains, _ ledger: LedgerChains) async throws {
        agent = device.agent
        var found: [Stream] = []
        for chain in device.chains {
            let shown = ledger.streams.first { $0.stream == chain.stream }
            found.append(try await DiffReport.compare(chain, shown, device, ledger))
        }
        let known = Set(device.chains.map(\.stream))
        for shown in ledger.streams where !known.contains(shown.stream) && shown.merged > 0 {
            found.append(
                Stream(
                    stream: shown.stream, state: .onlyInLedger, standing: shown.standing, head: nil,
                    oldestRetained: nil, branches: shown.branches, otherBranches: shown.branches,
                    missing: [], firstDifference: nil))
        }
        streams = found
        same = found.allSatisfy(\.isSame)
    }

    private static func compare(
        _ chain: DeviceChain, _ shown: FleetAnswer.Stream?, _ device: any DeviceChains,
        _ ledger: LedgerChains
    ) async throws -> Stream {
        let branches = shown?.branches ?? []
        var result = Stream(
            stream: chain.stream, state: .same, standing: shown?.standing, head: chain.head,
            oldestRetained: chain.oldestRetained, branches: branches, otherBranches: branches,
            missing: (shown?.gaps ?? []).map { Range(first: $0.first, last: $0.last) },
            firstDifference: nil)
        // The highest of the ledger's branches that the device's chain leads through.
        for branch in branches.sorted(by: { $0.head > $1.head }) {
            guard try await device.leads(through: branch, of: chain) else { continue }
            result.otherBranches.removeAll { $0 == branch }
            guard branch.head < chain.head.head else { return result }
            result.state = .ledgerBehind
            result.firstDifference = branch.head + 1
            result.missing.append(Range(first: branch.head + 1, last: chain.head.head))
            return result
        }
        guard chain.head.head > 0 else { return result }
        guard !branches.isEmpty else {
            result.state = shown == nil ? .unknownToLedger : .ledgerBehind
            result.firstDifference = 1
            result.missing.append(Range(first: 1, last: chain.head.head))
            return result
        }
        let first = try await firstUnknown(chain, device, ledger)
        result.state = first == nil ? .deviceBehind : .parted
        result.firstDifference = first ?? chain.head.head + 1
        if let first { result.missing.append(Range(first: first, last: chain.head.head)) }
        return result
    }

    /// The first event of the device's chain whose segment the ledger does not have; nil where it has all.
    /// Each segment names the one before it, so that all in front of one that is there are there.
    private static func firstUnknown(
        _ chain: DeviceChain, _ device: any DeviceChains, _ ledger: LedgerChains
    ) async throws -> UInt64? {
        var known = chain.oldestRetained - 1
        var unknown = chain.head.head + 1
        while known + 1 < unknown {
            let middle = known + (unknown - known) / 2
            guard let segment = try await device.segment(containing: middle, of: chain) else {
                throw TraceFailure.failed(
                    "the device does not show event \(middle) of stream \(chain.stream): see "
                        + "tributary-trace verify")
            }
            if try await ledger.has(segment, of: chain.stream) {
                known = segment.last
            } else {
                unknown = segment.first
            }
        }
        return unknown > chain.head.head ? nil : unknown
    }
}

extension DiffReport.Stream {
    var isSame: Bool { state == .same && otherBranches.isEmpty && missing.isEmpty }
}

// MARK: Words

extension DiffReport {
    func show(_ terminal: Terminal) {
        let different = streams.count { !$0.isSame }
        print(
            same
                ? terminal.good("\(agent): the device and the ledger have the same.")
                : terminal.bad(
                    "\(agent): \(different) of \(Wording.count(UInt64(streams.count), "stream")) "
                        + "\(different == 1 ? "differs" : "differ")."))
        for stream in streams {
            let standing = stream.standing.map { "  \($0)" } ?? ""
            print("\n" + terminal.bold(terminal.fit("stream \(stream.stream)\(standing)")))
            for line in stream.lines { print(terminal.wrap("    \(line)", hanging: 6)) }
        }
    }
}

extension DiffReport.Stream {
    fileprivate var lines: [String] {
        var lines = [heads, verdict]
        lines += missing.filter { $0.first != firstDifference }.map {
            "Lost: events \($0.first) to \($0.last), which nobody has any more."
        }
        if state != .onlyInLedger {
            lines += otherBranches.map {
                "The ledger has a branch that ends with \($0.words), and that this device did not write or "
                    + "does not have: another copy of its folder did."
            }
        }
        return lines
    }

    private var heads: String {
        let ledger =
            branches.isEmpty ? "nothing" : branches.map(\.words).joined(separator: " and ")
        guard let head else { return "ledger: \(ledger)" }
        let device = head.head == 0 ? "nothing" : head.words
        return "device: \(device); ledger: \(ledger)"
    }

    private var verdict: String {
        let from = firstDifference ?? 0
        return switch state {
        case .same:
            otherBranches.isEmpty
                ? "The same." : "The ledger has all that this device has of it."
        case .ledgerBehind:
            "The ledger lacks events \(from) to \(head?.head ?? 0), which wait on the device."
        case .deviceBehind:
            "The ledger has more, from event \(from) on: this folder is an older copy."
        case .parted:
            "They part at event \(from): from there on the ledger lacks what this device has, and has something else."
        case .unknownToLedger: "The ledger has never heard of this stream."
        case .onlyInLedger: "This device does not have it: it was written on another disk."
        }
    }
}
