import GRDB

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A copy of a database that may be looked at without touching the original.
///
/// Nobody holds the folder: the database and its write-ahead log are copied byte for byte. (Opening
/// the original would create files beside it; opening it as immutable would leave the write-ahead
/// log out, and with it the last commits.) A daemon holds it: SQLite copies the pages of one
/// snapshot through a connection that can only read. Copying files under a daemon of this very
/// process would also let go of its locks (sqlite.org/howtocorrupt.html, section 2.2).
package struct LogCopy: ~Copyable {
    package let path: String
    private let folder: String

    package init(of source: String, scratch: String) throws(StoreError) {
        guard let status = SystemCall.status(of: source) else {
            throw .unavailable("there is no \(source)")
        }
        guard !SystemCall.isFolder(status) else {
            throw .unavailable("\(source) is a folder, not a database")
        }
        let folder = try LogCopy.makeFolder(scratch)
        let path = "\(folder)/copy.sqlite"
        do throws(StoreError) {
            if try DataFolder.isHeld(SystemCall.folder(of: source)) {
                try LogCopy.copySnapshot(source, path)
            } else {
                try SystemCall.copyFile(source, path)
                let log = "\(source)-wal"
                if SystemCall.status(of: log) != nil { try SystemCall.copyFile(log, "\(path)-wal") }
            }
        } catch {
            LogCopy.remove(path, folder)
            throw error
        }
        self.folder = folder
        self.path = path
    }

    deinit {
        LogCopy.remove(path, folder)
    }

    private static func makeFolder(_ scratch: String) throws(StoreError) -> String {
        var template = Array("\(scratch)/tributary-copy-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { name in
            name.baseAddress.map { mkdtemp($0) != nil } ?? false
        }
        guard made else { throw SystemCall.failure("creating a folder in", scratch) }
        return template.withUnsafeBufferPointer { name in
            String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private static func copySnapshot(_ source: String, _ target: String) throws(StoreError) {
        var reading = Configuration()
        reading.readonly = true
        reading.busyMode = .timeout(5)
        do {
            let from = try DatabaseQueue(path: source, configuration: reading)
            let to = try DatabaseQueue(path: target)
            // One step for all pages: SQLite starts over when a page changes between two.
            try from.backup(to: to)
            try to.close()
            try from.close()
        } catch {
            throw StoreError(error, at: source)
        }
    }

    private static func remove(_ path: String, _ folder: String) {
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
        rmdir(folder)
    }
}
