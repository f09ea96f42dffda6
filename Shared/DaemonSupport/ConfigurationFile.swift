import Foundation
import Glibc
import Yams

/// A configuration file's names and their lines. Its values are read by the configuration library;
/// that one passes over names that it was not asked for, which here are mistakes.
struct ConfigurationFile {
    /// A file that is larger is something else.
    private static let bytesMax = 1 << 20

    let path: String
    private(set) var lines: [String: Int] = [:]
    private(set) var problems: [String] = []
    /// Whether all names were seen: a name that is missing from `lines` is missing from the file.
    private(set) var isWhole = false

    /// Whether there is anything that the configuration library can read.
    var isReadable: Bool { problems.isEmpty && !lines.isEmpty }

    /// Whether the file gives that key, as far as can be seen, although it is not read for its
    /// flaws.
    func mayHave(_ key: ConfigurationKey) -> Bool {
        !isWhole || lines[key.name] != nil
    }

    init(_ path: String, keys: [ConfigurationKey]) {
        self.path = path
        do {
            // A document without content is a null.
            let root = try Yams.compose(yaml: try Self.text(path))
            isWhole = true
            guard let root, root.null == nil else { return }
            collect(root, under: [], keys.map(\.name))
        } catch let error as YamlError {
            problems.append(Self.sentence(error, path))
        } catch {
            problems.append("\(path): \(error)")
        }
    }

    private struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    private static func text(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else {
            throw Unreadable(description: "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else {
            throw Unreadable(description: "cannot be read: \(String(cString: strerror(errno)))")
        }
        guard count <= bytesMax else {
            throw Unreadable(description: "is larger than \(bytesMax) bytes")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw Unreadable(description: "is not UTF-8")
        }
        return text
    }

    private static func sentence(_ error: YamlError, _ path: String) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return "\(path):\(mark.line): is not YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            return
                "\(path):\(context.mark.line): \(duplicates.sorted().joined(separator: ", ")) stands twice"
        case .reader(let problem, _, _, _): return "\(path): is not YAML: \(problem)"
        default: return "\(path): is not YAML: \("\(error)".prefix { $0 != "\n" })"
        }
    }

    private mutating func collect(_ node: Node, under parents: [String], _ known: [String]) {
        guard let mapping = node.mapping else {
            problems.append(
                "\(path):\(node.mark?.line ?? 1): a list of names and values is expected here")
            return
        }
        for (nameNode, value) in mapping {
            let name = (parents + [nameNode.string ?? "?"]).joined(separator: ".")
            let line = nameNode.mark?.line ?? 1
            if known.contains(name) {
                if lines.updateValue(line, forKey: name) != nil {
                    problems.append("\(path):\(line): \(name) stands twice")
                }
                if value.scalar == nil {
                    problems.append("\(path):\(line): \(name) takes one value")
                }
            } else if known.contains(where: { $0.hasPrefix("\(name).") }) {
                collect(value, under: parents + [nameNode.string ?? "?"], known)
            } else {
                let meant = value.mapping == nil ? known : known.flatMap(Self.lists)
                problems.append(
                    "\(path):\(line): \(name) is not known" + Nearest.hint(name, among: meant))
            }
        }
    }

    /// The names of the lists that a key stands in: `a` and `a.b` for `a.b.c`.
    private static func lists(around key: String) -> [String] {
        let parts = key.split(separator: ".")
        return (1..<max(1, parts.count)).map { parts.prefix($0).joined(separator: ".") }
    }
}
