import Foundation

/// What the checker needs of a package's manifest, as `swift package dump-package` prints it.
struct Manifest {
    struct Target {
        let name: String
        let path: String
        let isTest: Bool
        /// Targets of this package and products of others.
        let dependencies: Set<String>
    }

    var targets: [Target]
    /// Each package this one is built from, and whether one exact version of it is pinned.
    var packages: [(name: String, isPinned: Bool)]

    init(targets: [Target], packages: [(name: String, isPinned: Bool)] = []) {
        self.targets = targets
        self.packages = packages
    }

    init(dump: Data) throws {
        let root = try JSONDecoder().decode(Dump.self, from: dump)
        targets = root.targets.map { target in
            Target(
                name: target.name, path: target.path ?? "", isTest: target.type == "test",
                dependencies: Set(target.dependencies.compactMap(\.name)))
        }
        packages = root.dependencies.flatMap { dependency in
            let found = (dependency.sourceControl ?? []) + (dependency.registry ?? [])
            let local = (dependency.fileSystem ?? []).map { (name: $0.identity, isPinned: false) }
            return local
                + found.map { (name: $0.identity, isPinned: $0.requirement?.exact?.count == 1) }
        }
    }

    private struct Dump: Decodable {
        let targets: [DumpTarget]
        let dependencies: [DumpPackage]
    }

    private struct DumpTarget: Decodable {
        let name: String
        let path: String?
        let type: String
        let dependencies: [DumpDependency]
    }

    /// `{"byName": ["LedgerCore", null]}`, `{"product": ["GRDB", "GRDB.swift", null, null]}` or
    /// `{"target": […]}`: the first element is the name, and what is behind it of any kind.
    private struct DumpDependency: Decodable {
        let name: String?

        private struct First: Decodable {
            let text: String
            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                text = try list.decode(String.self)
            }
        }

        init(from decoder: any Decoder) throws {
            let kinds = try decoder.singleValueContainer().decode([String: First].self)
            name = kinds.values.first?.text
        }
    }

    private struct DumpPackage: Decodable {
        struct Source: Decodable {
            struct Requirement: Decodable {
                let exact: [String]?
            }
            let identity: String
            let requirement: Requirement?
        }
        let sourceControl: [Source]?
        let registry: [Source]?
        let fileSystem: [Source]?
    }
}
