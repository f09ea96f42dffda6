/// Which way dependencies point: the rules, and the checker that finds what breaks them.
///
/// A target stands on a level and depends on lower levels only. What an agent and an aggregator
/// share is in `Shared`, which knows neither. APIs and runtimes stand on one level, so neither
/// imports the other; stores are below runtimes, and APIs are kept from them by name.
struct Architecture {
    struct Rule {
        let area: String
        let level: Int
    }

    /// To add a target: its area is its folder, its level one above the highest that it depends on.
    static let rules: [String: Rule] = [
        "LedgerCore": Rule(area: "Shared", level: 0),
        "CMosquitto": Rule(area: "Shared", level: 0),
        "TextFormats": Rule(area: "Shared", level: 0),
        "Workers": Rule(area: "Shared", level: 1),
        "SyncProtocol": Rule(area: "Shared", level: 1),
        "MessageInspection": Rule(area: "Aggregator", level: 2),
        "AgentCore": Rule(area: "Agent", level: 2),
        "AggregatorCore": Rule(area: "Aggregator", level: 2),
        "MQTTTransport": Rule(area: "Shared", level: 3),
        "SegmentStore": Rule(area: "Shared", level: 3),
        "Signing": Rule(area: "Shared", level: 3),
        "OTLP": Rule(area: "Shared", level: 1),
        "Observability": Rule(area: "Shared", level: 3),
        "HTTPSupport": Rule(area: "Shared", level: 4),
        "AgentStore": Rule(area: "Agent", level: 4),
        "LedgerStoreSQLite": Rule(area: "Aggregator", level: 4),
        "TraceStore": Rule(area: "Aggregator", level: 4),
        "Projection": Rule(area: "Aggregator", level: 4),
        "AgentRuntime": Rule(area: "Agent", level: 5),
        "AggregatorRuntime": Rule(area: "Aggregator", level: 5),
        "AgentAPI": Rule(area: "Agent", level: 5),
        "AggregatorAPI": Rule(area: "Aggregator", level: 5),
        "DaemonSupport": Rule(area: "Shared", level: 6),
        "AgentDaemon": Rule(area: "Agent", level: 7),
        "AggregatorDaemon": Rule(area: "Aggregator", level: 7),
        "TraceCLI": Rule(area: "Aggregator", level: 7),
    ]

    static let pureCores: Set = ["LedgerCore", "SyncProtocol", "AgentCore", "AggregatorCore"]
    static let interfaces: Set = ["AgentAPI", "AggregatorAPI", "HTTPSupport"]
    static let stores: Set = [
        "SegmentStore", "AgentStore", "LedgerStoreSQLite", "Projection", "TraceStore",
    ]
    /// Who may say that something is durable.
    static let makersOfDurable: Set = ["SegmentStore"]

    static let topLevel: Set = [
        "Package.swift", "README.md", "LICENSE", "CHANGELOG.md", "Shared", "Agent", "Aggregator",
        "Tests", "Packaging",
    ]

    /// Comes with the toolchain and needs no line in the manifest.
    static let toolchainModules: Set = [
        "Swift", "Foundation", "FoundationEssentials", "FoundationNetworking", "Dispatch",
        "Synchronization", "Glibc", "Musl",
        "Darwin", "RegexBuilder", "Testing", "XCTest",
    ]

    /// Clocks and sources of randomness: what makes a core's answer differ from one run to the
    /// next.
    static let impureWords = [
        "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock", "Clock", "Date",
        "UUID", "Task", "Thread", "Mutex",
        "DispatchQueue", "clock_gettime", "gettimeofday", "getenv", "ProcessInfo", "FileManager",
        "print", "debugPrint",
        "readLine",
    ]
    static let randomCalls = ["random", "randomElement", "shuffled", "shuffle"]

    /// The source tree: each file's text by its path from the top, and the names at the top.
    struct Tree {
        var files: [String: String]
        var topLevel: Set<String>
    }

    let manifest: Manifest
    let tree: Tree

    /// What breaks a rule, in sentences; none in a tree as it should be.
    func violations() -> [String] {
        var found = packageViolations() + topLevelViolations()
        for target in manifest.targets { found += violations(of: target) }
        for (path, text) in tree.files { found += violations(ofFile: path, SwiftSource(text)) }
        return found.sorted()
    }

    private func packageViolations() -> [String] {
        manifest.packages.filter { !$0.isPinned }.map {
            "the package \($0.name) is not pinned to an exact version"
        }
    }

    private func topLevelViolations() -> [String] {
        let visible = tree.topLevel.filter { !$0.hasPrefix(".") && $0 != "Package.resolved" }
        return visible.subtracting(Architecture.topLevel).map {
            "\($0) does not belong at the top level"
        }
            + Architecture.topLevel.subtracting(visible).map { "\($0) is missing at the top level" }
    }

    // MARK: The manifest

    private func violations(of target: Manifest.Target) -> [String] {
        if target.path.hasPrefix("Tests/") { return [] }
        guard let rule = Architecture.rules[target.name] else {
            return ["\(target.name) is a target without a place"]
        }
        var found: [String] = []
        if target.path != "\(rule.area)/\(target.name)" {
            found.append("\(target.name) is in \(target.path), not in \(rule.area)/\(target.name)")
        }
        if target.isTest { found.append("\(target.name) is a test outside of Tests") }
        for dependency in target.dependencies {
            if let fault = fault(target.name, rule, dependency) {
                found.append("in the manifest, \(fault)")
            }
        }
        return found
    }

    /// Why a target may not depend on another target or product.
    private func fault(_ name: String, _ rule: Rule, _ other: String) -> String? {
        guard let otherRule = Architecture.rules[other] else {
            if manifest.targets.contains(where: { $0.name == other }) {
                return "\(name) depends on \(other), a part of the tests"
            }
            return Architecture.pureCores.contains(name)
                ? "the pure core \(name) depends on \(other)" : nil
        }
        if Architecture.pureCores.contains(name), !Architecture.pureCores.contains(other) {
            return "the pure core \(name) depends on \(other)"
        }
        if otherRule.area != "Shared", otherRule.area != rule.area {
            return "\(name) of \(rule.area) depends on \(other) of \(otherRule.area)"
        }
        if isInterfaceAndStore(name, other) {
            return "\(name) depends on \(other): interfaces and stores meet in the core"
        }
        return otherRule.level < rule.level
            ? nil : "\(name) depends on \(other), which is not below it"
    }

    private func isInterfaceAndStore(_ name: String, _ other: String) -> Bool {
        Architecture.interfaces.contains(name) && Architecture.stores.contains(other)
            || Architecture.interfaces.contains(other) && Architecture.stores.contains(name)
    }

    // MARK: The sources

    private func violations(ofFile path: String, _ source: SwiftSource) -> [String] {
        guard let target = manifest.targets.first(where: { path.hasPrefix($0.path + "/") }) else {
            return ["\(path) belongs to no target"]
        }
        let faults =
            source.imports.flatMap { importFaults($0, target) } + impurities(source, target)
        return faults.map { "\(path): \($0)" }
    }

    private func importFaults(_ statement: SwiftSource.Import, _ target: Manifest.Target)
        -> [String]
    {
        var faults: [String] = []
        let module = statement.module
        let isTests = target.path.hasPrefix("Tests/")
        if !Architecture.toolchainModules.contains(module), module != target.name,
            !target.dependencies.contains(module)
        {
            faults.append(
                "imports \(module), which the manifest does not declare for \(target.name)")
        }
        if statement.spi.contains("Durability"), !isTests,
            !Architecture.makersOfDurable.contains(target.name)
        {
            faults.append("\(target.name) imports the durability SPI")
        }
        if let rule = Architecture.rules[target.name], !isTests,
            let fault = fault(target.name, rule, module)
        {
            faults.append(fault)
        }
        return faults
    }

    private func impurities(_ source: SwiftSource, _ target: Manifest.Target) -> [String] {
        guard Architecture.pureCores.contains(target.name) else { return [] }
        let words = Architecture.impureWords.filter { source.uses(word: $0) }
        let calls = Architecture.randomCalls.filter { source.usesWithoutGenerator($0) }
        return words.map { "the pure core \(target.name) uses \($0)" }
            + calls.map { "the pure core \(target.name) uses .\($0) without a generator" }
    }
}
