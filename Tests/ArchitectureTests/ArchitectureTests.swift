import Foundation
import Testing

@Suite struct ArchitectureTests {
    // MARK: The repository

    private var root: URL {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return folder.deletingLastPathComponent().deletingLastPathComponent()
    }

    @Test func `in the manifest and in every source file, dependencies point the way they should`()
        throws
    {
        let architecture = Architecture(manifest: try manifest(), tree: try tree())
        #expect(architecture.tree.files.count > 30, "the sources were not found")
        let violations = architecture.violations()
        #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))")
    }

    @Test func `every package the manifest may ask for is pinned, also behind a condition`() throws
    {
        let source = try String(
            contentsOf: root.appendingPathComponent("Package.swift"), encoding: .utf8)
        for call in SwiftSource(source).code.components(separatedBy: ".package(").dropFirst() {
            let isProductsPackage =
                !call.hasPrefix("url:") && !call.hasPrefix("path:") && !call.hasPrefix("id:")
            #expect(
                isProductsPackage || call.prefix { $0 != ")" }.contains("exact:"),
                ".package(\(call.prefix(80))")
        }
    }

    /// Asks the package manager, with a scratch folder of its own: the one that runs this test
    /// holds the lock on the usual.
    private func manifest() throws -> Manifest {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent(
            "manifest-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            // With the targets that only fuzzing builds.
            "TRIBUTARY_FUZZ=1", "swift", "package", "--package-path", root.path, "--scratch-path",
            scratch.path,
            "--manifest-cache", "none",
            "dump-package",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let dump = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(
            process.terminationStatus == 0,
            "swift package dump-package failed; is swift on the PATH?")
        return try Manifest(dump: dump)
    }

    private func tree() throws -> Architecture.Tree {
        var files: [String: String] = [:]
        for area in ["Shared", "Agent", "Aggregator", "Tests"] {
            let folder = root.appendingPathComponent(area)
            guard let paths = FileManager.default.enumerator(atPath: folder.path) else { continue }
            for case let path as String in paths
            where path.hasSuffix(".swift") && !path.contains(".build") {
                let file = folder.appendingPathComponent(path)
                files["\(area)/\(path)"] = try String(contentsOf: file, encoding: .utf8)
            }
        }
        let top = try FileManager.default.contentsOfDirectory(atPath: root.path)
        return Architecture.Tree(files: files, topLevel: Set(top))
    }

    // MARK: The checker finds what is planted

    private func target(_ path: String, _ dependencies: Set<String> = [], isTest: Bool = false)
        -> Manifest.Target
    {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return Manifest.Target(name: name, path: path, isTest: isTest, dependencies: dependencies)
    }

    private var soundManifest: Manifest {
        Manifest(
            targets: [
                target("Shared/LedgerCore"), target("Shared/SyncProtocol", ["LedgerCore"]),
                target("Shared/SegmentStore", ["SyncProtocol", "LedgerCore", "GRDB"]),
                target("Agent/AgentCore", ["LedgerCore", "SyncProtocol"]),
                target("Agent/AgentStore", ["AgentCore", "SegmentStore"]),
                target("Agent/AgentAPI", ["AgentCore", "Hummingbird"]),
                target("Agent/AgentRuntime", ["AgentCore", "AgentStore"]),
                target("Agent/AgentDaemon", ["AgentAPI", "AgentRuntime"]),
                target("Aggregator/AggregatorCore", ["SyncProtocol"]),
                target("Tests/AgentTests", ["AgentCore", "SyncProtocol"], isTest: true),
            ], packages: [("grdb.swift", true)])
    }

    private var soundTree: Architecture.Tree {
        let files = [
            "Shared/LedgerCore/A.swift":
                "struct A { func f() { g(\"Date() \\(x) import Foundation\") } } // import Glibc",
            "Shared/SyncProtocol/B.swift":
                "import LedgerCore\nlet n = Int.random(in: 0..<(2 + 1), using: &generator)",
            "Shared/SegmentStore/C.swift":
                "import Foundation\nimport GRDB\n@_spi(Durability) import SyncProtocol",
            "Agent/AgentCore/D.swift":
                "package import LedgerCore\nimport struct SyncProtocol.Segment",
            "Agent/AgentDaemon/main.swift": "import AgentAPI; import AgentRuntime",
            "Tests/AgentTests/T.swift": "@_spi(Durability) import SyncProtocol\nimport Testing",
        ]
        return Architecture.Tree(
            files: files,
            topLevel: Architecture.topLevel.union([".git", ".build", "Package.resolved"]))
    }

    private func violations(_ change: (inout Manifest, inout Architecture.Tree) -> Void) -> [String]
    {
        var manifest = soundManifest
        var tree = soundTree
        change(&manifest, &tree)
        return Architecture(manifest: manifest, tree: tree).violations()
    }

    @Test func `a tree as it should be has no violations`() {
        #expect(violations { _, _ in } == [])
    }

    @Test(arguments: [
        (
            "Shared/LedgerCore/X.swift", "import Foundation",
            "the pure core LedgerCore depends on Foundation"
        ),
        (
            "Shared/LedgerCore/X.swift", "internal import Dispatch",
            "the pure core LedgerCore depends on Dispatch"
        ),
        (
            "Shared/SyncProtocol/X.swift", "import Synchronization",
            "the pure core SyncProtocol depends on Synchronization"
        ),
        (
            "Agent/AgentCore/X.swift", "#if os(Linux)\nimport Glibc\n#endif",
            "the pure core AgentCore depends on Glibc"
        ),
        (
            "Shared/LedgerCore/X.swift", "import SyncProtocol",
            "imports SyncProtocol, which the manifest does not declare for LedgerCore"
        ),
        (
            "Shared/LedgerCore/X.swift", "import SyncProtocol",
            "LedgerCore depends on SyncProtocol, which is not below it"
        ),
        (
            "Aggregator/AggregatorCore/X.swift", "import AgentCore",
            "AggregatorCore of Aggregator depends on AgentCore of Agent"
        ),
        (
            "Agent/AgentRuntime/X.swift", "import AggregatorCore",
            "AgentRuntime of Agent depends on AggregatorCore of Aggregator"
        ),
        (
            "Agent/AgentAPI/X.swift", "import AgentStore",
            "AgentAPI depends on AgentStore: interfaces and stores meet in the core"
        ),
        (
            "Agent/AgentStore/X.swift", "import AgentAPI",
            "AgentStore depends on AgentAPI: interfaces and stores meet in the core"
        ),
        (
            "Agent/AgentAPI/X.swift", "import NIOCore",
            "imports NIOCore, which the manifest does not declare for AgentAPI"
        ),
        (
            "Agent/AgentStore/X.swift", "@_spi(Durability)\nimport SyncProtocol",
            "AgentStore imports the durability SPI"
        ),
        ("Agent/AgentCore/X.swift", "let d = Date()", "the pure core AgentCore uses Date"),
        ("Agent/AgentCore/X.swift", "let s = \"\\(Date())\"", "the pure core AgentCore uses Date"),
        (
            "Agent/AgentCore/X.swift", "let n = ContinuousClock.now",
            "the pure core AgentCore uses ContinuousClock"
        ),
        (
            "Agent/AgentCore/X.swift", "var g = SystemRandomNumberGenerator()",
            "the pure core AgentCore uses SystemRandomNumberGenerator"
        ),
        (
            "Agent/AgentCore/X.swift", "let n = Int.random(in: 0..<f(3))",
            "the pure core AgentCore uses .random without a generator"
        ),
        (
            "Agent/AgentCore/X.swift", "let n = a.shuffled()",
            "the pure core AgentCore uses .shuffled without a generator"
        ),
        ("Agent/Stray/X.swift", "", "belongs to no target"),
        (
            "Tests/AgentTests/X.swift", "import AgentStore",
            "imports AgentStore, which the manifest does not declare for AgentTests"
        ),
    ])
    func `a violation planted in a source file is found`(
        _ path: String, _ source: String, _ expected: String
    ) {
        let found = violations { _, tree in tree.files[path] = source }
        #expect(
            found.contains("\(path): \(expected)") || found.contains("\(path) \(expected)"),
            "\(found)")
    }

    @Test(arguments: [
        (
            "Agent/AgentCore", "AggregatorCore",
            "in the manifest, AgentCore of Agent depends on AggregatorCore of Aggregator"
        ),
        (
            "Agent/AgentCore", "DequeModule",
            "in the manifest, the pure core AgentCore depends on DequeModule"
        ),
        (
            "Shared/SegmentStore", "AgentCore",
            "in the manifest, SegmentStore of Shared depends on AgentCore of Agent"
        ),
        (
            "Agent/AgentAPI", "SegmentStore",
            "in the manifest, AgentAPI depends on SegmentStore: interfaces and stores meet in the core"
        ),
        (
            "Agent/AgentRuntime", "AgentAPI",
            "in the manifest, AgentRuntime depends on AgentAPI, which is not below it"
        ),
        (
            "Agent/AgentRuntime", "AgentTests",
            "in the manifest, AgentRuntime depends on AgentTests, a part of the tests"
        ),
        ("Agent/AgentUtils", "AgentCore", "AgentUtils is a target without a place"),
        ("Shared/AgentAPI", "AgentCore", "AgentAPI is in Shared/AgentAPI, not in Agent/AgentAPI"),
    ])
    func `a violation planted in the manifest is found`(
        _ path: String, _ dependency: String, _ expected: String
    ) {
        let found = violations { manifest, _ in
            manifest.targets.removeAll { $0.path == path }
            manifest.targets.append(target(path, [dependency]))
        }
        #expect(found.contains(expected), "\(found)")
    }

    @Test func `a stranger at the top level, a missing file and an open version are found`() {
        let found = violations { manifest, tree in
            tree.topLevel.insert("scripts")
            tree.topLevel.remove("LICENSE")
            manifest.packages.append(("swift-nio", false))
        }
        #expect(
            found == [
                "LICENSE is missing at the top level", "scripts does not belong at the top level",
                "the package swift-nio is not pinned to an exact version",
            ])
    }

    @Test func `a manifest's dump is read with all that it declares`() throws {
        let dump = """
            {"dependencies": [
               {"sourceControl": [{"identity": "a", "requirement": {"exact": ["1.0.0"]}}]},
               {"sourceControl": [{"identity": "b", "requirement": {"range": [{"lowerBound": "1.0.0"}]}}]},
               {"fileSystem": [{"identity": "c", "path": "x"}]}],
             "targets": [{"name": "T", "path": "Shared/T", "type": "test", "dependencies": [
               {"byName": ["A", null]}, {"product": ["B", "p", null, {"platformNames": ["linux"]}]}, {"target": ["C", null]}]}]}
            """
        let manifest = try Manifest(dump: Data(dump.utf8))
        #expect(manifest.packages.map(\.name) == ["a", "b", "c"])
        #expect(manifest.packages.map(\.isPinned) == [true, false, false])
        let target = try #require(manifest.targets.first)
        #expect(target.dependencies == ["A", "B", "C"])
        #expect(target.isTest && target.path == "Shared/T")
    }

    @Test func `comments and texts are no code, and what is put into a text is`() {
        let source = SwiftSource(
            """
            /* import A /* nested */ import B */ import C // import D
            let a = "import E \\(f("import F", g)) \\" import G"
            let b = #"import H \\(i) \\#(j) "# + \"\"\"
                import K "quoted" \\(l)
                \"\"\"
            @_spi(One) @_spi( Two ) public import M
            x.import(n); `import` = 1
            """)
        #expect(source.imports.map(\.module) == ["C", "M"])
        #expect(source.imports.last?.spi == ["One", "Two"])
        #expect(["f", "g", "j", "l"].allSatisfy { source.uses(word: $0) })
        #expect(["i", "quoted", "nested", "D"].allSatisfy { !source.uses(word: $0) })
    }
}
