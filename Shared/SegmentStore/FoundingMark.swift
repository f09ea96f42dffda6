import LedgerCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A small file beside a folder's log that says which stream was founded in it, the first: the
/// stream's tag, its genesis hash, and a line feed.
///
/// A database that is gone or empty looks like one that never was, and a start would begin a new
/// stream in its place, as if nothing had been lost. The mark tells the two apart. It is made once
/// the founding is durable, so that where it stands there was a database; a start that is
/// interrupted before leaves none, and the next good start makes it, as it does in a folder of an
/// older version.
package struct FoundingMark: Hashable, Sendable {
    private let tag: StreamTag
    private let genesisHash: Hash256

    private init(of stream: StreamRow) {
        tag = stream.tag
        genesisHash = stream.genesisHash
    }

    /// `agent.founded` of `agent.db`: who deletes `agent.db*` is not to delete this with it.
    package static func path(of database: String) -> String {
        let suffix = ".db"
        let name = database.hasSuffix(suffix) ? database.dropLast(suffix.count) : database[...]
        return "\(name).founded"
    }

    /// The files that show that a database was once here: itself and its mark.
    package static func traces(of database: String) -> [String] {
        [database, path(of: database)]
    }

    // MARK: Checking

    /// What is wrong with a database that a mark stands beside, as far as can be seen without
    /// opening it: nil where it is there and not empty, or no mark is.
    package static func loss(of database: String) throws(StoreError) -> StoreError? {
        let status = SystemCall.status(of: database)
        if let status, status.st_size > 0 { return nil }
        guard let mark = try find(beside: database) else { return nil }
        return mark.contradicts(database, status == nil ? "it is gone" : "it is empty")
    }

    /// Refuses a database whose own stream is another than the mark beside it says.
    ///
    /// - Parameter stream: nil where the database has none.
    package static func check(
        _ database: String, holds stream: StreamRow?
    ) throws(StoreError) {
        guard let mark = try find(beside: database) else { return }
        guard let stream else { throw mark.contradicts(database, "it has no stream") }
        guard mark == FoundingMark(of: stream) else {
            throw mark.contradicts(database, "its stream is \(stream.tag)")
        }
    }

    /// The same for any of the streams in it: a folder keeps the stream that was founded in it, also
    /// where it goes on in another.
    package static func check(
        _ database: String, holdsOneOf streams: [StreamRow]
    ) throws(StoreError) {
        guard let mark = try find(beside: database) else { return }
        guard !streams.isEmpty else { throw mark.contradicts(database, "it has no stream") }
        guard streams.contains(where: { mark == FoundingMark(of: $0) }) else {
            throw mark.contradicts(database, "that stream is not in it")
        }
    }

    private func contradicts(_ database: String, _ what: String) -> StoreError {
        .corrupt(
            place: database,
            detail: "\(what), but stream \(tag) was founded in it, as "
                + "\(FoundingMark.path(of: database)) says. Restore the folder from a backup, or "
                + "move it away and begin with a new one; nothing was changed")
    }

    private static func find(beside database: String) throws(StoreError) -> FoundingMark? {
        let path = path(of: database)
        guard SystemCall.status(of: path) != nil else { return nil }
        let text = try SystemCall.withFile(path, O_RDONLY) { (descriptor) throws(StoreError) in
            // One byte more than it has, so that a file that goes on is seen to.
            try SystemCall.readStart(descriptor, count: byteCount + 1, path)
        }
        guard let mark = FoundingMark(text) else {
            throw .corrupt(
                place: path,
                detail: "it does not name a stream. Have \(database) verified; if that is sound, "
                    + "remove this file, and the next start makes it anew")
        }
        return mark
    }

    // MARK: The text

    private static let byteCount = StreamTag.length + 1 + 2 * Hash256.byteCount + 1

    private var text: [UInt8] { Array("\(tag) \(genesisHash)\n".utf8) }

    /// - Returns: nil for anything but the text of a mark.
    private init?(_ text: [UInt8]) {
        guard text.count == FoundingMark.byteCount else { return nil }
        let digits = text.dropFirst(StreamTag.length + 1).dropLast().compactMap {
            Character(Unicode.Scalar($0)).hexDigitValue
        }
        guard digits.count == 2 * Hash256.byteCount else { return nil }
        genesisHash = Hash256(
            stride(from: 0, to: digits.count, by: 2).map {
                UInt8(digits[$0] << 4 | digits[$0 + 1])
            })
        tag = StreamTag(genesisHash: genesisHash)
        guard self.text == text else { return nil }
    }

    // MARK: Making

    /// Makes the mark of a stream whose founding is durable, where there is none yet.
    ///
    /// Temporary file, sync, rename, sync of the folder: after a power cut there is the whole mark
    /// or none.
    package static func keep(_ stream: StreamRow, beside database: String) throws(StoreError) {
        let path = path(of: database)
        guard SystemCall.status(of: path) == nil else { return }
        let temporary = "\(path).new"
        try SystemCall.withFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600) {
            (descriptor) throws(StoreError) in
            let text = FoundingMark(of: stream).text
            guard write(descriptor, text, text.count) == text.count,
                SystemCall.retrying({ fsync(descriptor) }) == 0
            else { throw SystemCall.failure("writing", temporary) }
        }
        guard rename(temporary, path) == 0 else { throw SystemCall.failure("making", path) }
        try SystemCall.syncFolder(SystemCall.folder(of: path))
    }
}
