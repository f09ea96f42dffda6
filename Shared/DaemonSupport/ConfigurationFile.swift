import Foundation
import Yams

/// A configuration file's names and their lines. Its values are read by the configuration library;
/// that one passes over names that it was not asked for, which here are mistakes.
struct ConfigurationFile {
    let path: String
    private(set) var lines: [String: Int] = [:]
    private(set) var problems: [String] = []

    /// - Throws: `ConfigurationProblems` where the file cannot be read or is no YAML.
    init(_ path: String, keys: [ConfigurationKey]) throws {
        self.path = path
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ConfigurationProblems(sentences: [
                "\(path): cannot be read: \(error.localizedDescription)"
            ])
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw ConfigurationProblems(sentences: ["\(path): is not YAML: \(error)"])
        }
        guard let root else { return }
        collect(root, under: [], keys.map(\.name))
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
            } else if known.contains(where: { $0.hasPrefix("\(name).") }), value.mapping != nil {
                collect(value, under: parents + [nameNode.string ?? "?"], known)
            } else {
                problems.append(
                    "\(path):\(line): \(name) is not known" + Nearest.hint(name, among: known))
            }
        }
    }
}
