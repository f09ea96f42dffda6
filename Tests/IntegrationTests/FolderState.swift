import Foundation

/// Every file of a folder, byte for byte. An empty write-ahead log, which SQLite leaves or not, is none.
struct FolderState: Equatable {
    private var files: [String: Data] = [:]

    /// - Parameter names: of files that are not looked at.
    init(_ path: String, but names: Set<String> = []) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path)
        where !names.contains(name) {
            let data = try Data(contentsOf: URL(filePath: "\(path)/\(name)"))
            if !(data.isEmpty && name.hasSuffix("-wal")) { files[name] = data }
        }
    }

    /// The names of the files that are new, gone, or others.
    func changes(since before: FolderState) -> [String] {
        Set(files.keys).union(before.files.keys).filter { files[$0] != before.files[$0] }.sorted()
    }
}
