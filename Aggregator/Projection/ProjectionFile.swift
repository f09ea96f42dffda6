import Foundation
import GRDB
import Glibc
import LedgerCore
import SegmentStore
import Synchronization

/// An open `projection.db`: one thread writes, any thread reads a consistent state.
///
/// **Durability.** `synchronous = NORMAL`: a power cut may take the last steps, never a part of one,
/// and what it took is read from the log again.
final class ProjectionFile: Sendable {
    let path: String
    private let pool: DatabasePool
    private let inode: UInt64
    /// The addresses of account numbers that readers have met; a number is never given anew.
    let addresses = Mutex<[Int64: AccountAddress]>([:])

    /// Opens the file, or makes it where there is none.
    init(path: String, limits: ProjectionLimits) throws(StoreError) {
        self.path = path
        // What SQLite kept beside a file that somebody has deleted belongs to nothing.
        if ProjectionFile.inode(path) == nil {
            try ProjectionFile.remove(path)
            try ProjectionFile.create(path)
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        // Six look-ups a transaction, for references that the writer has just made itself.
        configuration.foreignKeysEnabled = false
        configuration.maximumReaderCount = limits.readersMax
        configuration.prepareDatabase { database in
            guard !database.configuration.readonly else { return }
            try database.execute(
                sql: """
                    PRAGMA cache_size = -\(limits.writerCacheKiB);
                    PRAGMA wal_autocheckpoint = \(limits.checkpointPages);
                    PRAGMA journal_size_limit = \(limits.checkpointPages * 4096);
                    """)
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
        } catch {
            throw StoreError(error, at: path)
        }
        guard let inode = ProjectionFile.inode(path) else {
            throw .unavailable("\(path) is gone as soon as it was opened")
        }
        self.inode = inode
    }

    /// Whether the path still leads to this file: somebody may have deleted it, to have it rebuilt.
    var isInPlace: Bool { ProjectionFile.inode(path) == inode }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do {
            return try pool.writeWithoutTransaction { database in
                var value: Value?
                try database.inTransaction(.immediate) {
                    value = try body(database)
                    return .commit
                }
                guard let value else { preconditionFailure("a transaction without its outcome") }
                return value
            }
        } catch {
            throw StoreError(error, at: path)
        }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do { return try pool.read(body) } catch { throw StoreError(error, at: path) }
    }

    /// Waits for those who read.
    func close() throws(StoreError) {
        do { try pool.close() } catch { throw StoreError(error, at: path) }
    }

    /// An empty file for the owner alone, as the log is; what SQLite keeps beside it gets the same
    /// mode.
    private static func create(_ path: String) throws(StoreError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unavailable("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        Glibc.close(descriptor)
    }

    /// Deletes a projection with what SQLite keeps beside it; nothing else is lost by it.
    static func remove(_ path: String) throws(StoreError) {
        for suffix in ["", "-wal", "-shm", "-journal"] where unlink(path + suffix) != 0 {
            guard errno == ENOENT else {
                throw .unavailable(
                    "\(path + suffix) cannot be deleted: \(String(cString: strerror(errno)))")
            }
        }
    }
}
