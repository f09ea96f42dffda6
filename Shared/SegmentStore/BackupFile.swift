import GRDB
import LedgerCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A data folder in one file: its database as it stood at one moment, and the key that signs its
/// streams.
///
/// The file is an SQLite database that no daemon opens as its own. To restore it makes a folder that
/// goes on in another stream: what was recorded behind the backup, here or on the device that it was
/// made of, could not be told from what comes.
package enum BackupFile {
    /// "TRBK" (sqlite.org/fileformat.html, section 1.3.11).
    private static let applicationID: Int64 = 0x5452_424B

    /// What a backup has beside the database.
    package struct Label: Hashable, Sendable {
        package var madeAt: Timestamp
        package var softwareVersion: String
        /// The seed of the key.
        package var seed: [UInt8]

        package init(madeAt: Timestamp, softwareVersion: String, seed: [UInt8]) {
            self.madeAt = madeAt
            self.softwareVersion = softwareVersion
            self.seed = seed
        }
    }

    // MARK: Making

    /// Copies a database, which its daemon may be writing, into a new file that only its owner can
    /// read.
    ///
    /// - Parameter mark: makes the copy one that opens into another stream only.
    /// - Throws: `StoreError`; then there is no file of that name. One that is there is left alone.
    package static func make(
        _ file: String, of database: String, _ label: Label, mark: (Database) throws -> Void
    ) throws(StoreError) {
        guard SystemCall.status(of: file) == nil else {
            throw .unavailable("\(file) is there already, and is left as it is")
        }
        if let loss = try FoundingMark.loss(of: database) { throw loss }
        let copy = try LogCopy(of: database, scratch: SystemCall.folder(of: file))
        do {
            let queue = try DatabaseQueue(path: copy.path)
            try queue.writeWithoutTransaction { database in
                // One file, without a write-ahead log beside it.
                try database.execute(sql: "PRAGMA journal_mode = DELETE")
                try database.inTransaction {
                    try write(label, database)
                    try mark(database)
                    try database.execute(sql: "PRAGMA application_id = \(applicationID)")
                    return .commit
                }
            }
            try queue.close()
        } catch {
            throw StoreError(error, at: database)
        }
        try SystemCall.put(copy.path, inPlaceOf: file)
    }

    private static func write(_ label: Label, _ database: Database) throws {
        guard
            try Int64.fetchOne(database, sql: "PRAGMA application_id")
                == LogMigration.applicationID
        else {
            throw StoreError.corrupt(
                place: database.place, detail: "it is a database of another program")
        }
        try database.execute(
            sql: """
                CREATE TABLE backup (
                    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
                    made_at INTEGER NOT NULL,             -- microseconds since 1970
                    software TEXT NOT NULL,
                    seed BLOB NOT NULL                    -- of the device's key: secret
                ) STRICT;
                """)
        var insert = try SQLStatement(
            database, "INSERT INTO backup (only_row, made_at, software, seed) VALUES (1, ?, ?, ?)")
        try insert.bind(label.madeAt.microseconds)
        try insert.bind(label.softwareVersion)
        try insert.bind(label.seed)
        try insert.run()
    }

    // MARK: Restoring

    /// Copies a backup into an empty folder.
    ///
    /// - Parameters:
    ///   - name: of the database in the folder.
    ///   - check: throws where the database is of another kind of daemon.
    /// - Returns: what it had beside the database; the key is the caller's to write, at once: without
    ///   it the folder does not open.
    /// - Throws: `StoreError`, where the folder is not empty too; then it is as it was.
    package static func restore(
        _ file: String, into folder: DataFolder, name: String, check: (Database) throws -> Void
    ) throws(StoreError) -> Label {
        guard SystemCall.status(of: file) != nil else { throw .unavailable("there is no \(file)") }
        try requireEmpty(folder)
        let target = folder.file(name)
        let temporary = "\(target).new"
        do throws(StoreError) {
            try SystemCall.copyFile(file, temporary)
            let label = try open(temporary, file, check)
            try SystemCall.put(temporary, inPlaceOf: target)
            return label
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func requireEmpty(_ folder: DataFolder) throws(StoreError) {
        let others = try SystemCall.names(in: folder.path).filter { $0 != DataFolder.lockName }
        guard let other = others.sorted().first else { return }
        throw .unavailable(
            "\(folder.path) is not empty: it has \(other). Restore into an empty folder; this one "
                + "was left as it is")
    }

    /// Makes a database again of a copy of a backup.
    private static func open(
        _ copy: String, _ file: String, _ check: (Database) throws -> Void
    ) throws(StoreError) -> Label {
        guard let status = SystemCall.status(of: copy) else {
            throw .unavailable("there is no \(copy)")
        }
        try DatabaseFile.checkHeader(copy, byteCount: Int(status.st_size))
        do {
            let queue = try DatabaseQueue(path: copy)
            let label = try queue.writeWithoutTransaction { database in
                try checkPages(database)
                let label = try self.label(database)
                try check(database)
                try database.inTransaction {
                    try database.execute(sql: "DROP TABLE backup")
                    try database.execute(
                        sql: "PRAGMA application_id = \(LogMigration.applicationID)")
                    return .commit
                }
                return label
            }
            try queue.close()
            return label
        } catch {
            throw StoreError(error, at: file)
        }
    }

    private static func label(_ database: Database) throws -> Label {
        guard try Int64.fetchOne(database, sql: "PRAGMA application_id") == applicationID else {
            throw InvalidValue("this is no backup of a data folder")
        }
        var select = try SQLStatement(database, "SELECT made_at, software, seed FROM backup")
        guard try select.step() else { throw InvalidValue("this backup has no label") }
        return Label(
            madeAt: Timestamp(microseconds: select.integer(0)), softwareVersion: select.text(1),
            seed: select.blob(2))
    }

    /// A backup lies about for long: what its disk did to it is found before anything is made of it.
    private static func checkPages(_ database: Database) throws {
        let found = try String.fetchAll(database, sql: "PRAGMA integrity_check(1)")
        guard found == ["ok"] else {
            throw StoreError.corrupt(
                place: database.place, detail: found.first ?? "SQLite cannot check it")
        }
    }
}
