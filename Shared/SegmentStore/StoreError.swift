import GRDB

/// Why the store could not do what it was asked. Each is a sentence for the person who has to act
/// on it.
package enum StoreError: Error, CustomStringConvertible {
    /// The disk or the quota is full. What was committed stays; later commits work once there is
    /// room.
    case full(String)
    /// The bytes are not what was written. Nothing was changed; `verify` says more.
    case corrupt(place: String, detail: String)
    /// The disk or the operating system refused. Whether a commit that failed with this took place
    /// is known only once the database is opened again: it was reported as failed, but may be found
    /// in the log.
    case unavailable(String)
    /// The database was written by a newer version of this program, or by another one.
    case newer(String)
    /// Another process, or this one, holds the folder.
    case inUse(processID: Int32?, folder: String)
    case notAFolder(String)
    case noPermission(String)
    /// The code inside the transaction threw; everything it did was rolled back.
    case refused(any Error)

    package var description: String {
        switch self {
        case .full(let detail): "the storage is full: \(detail)"
        case .corrupt(let place, let detail): "\(place) is damaged: \(detail)"
        case .unavailable(let detail): detail
        case .newer(let detail): detail
        case .inUse(let processID?, let folder): "\(folder) is in use by process \(processID)"
        case .inUse(nil, let folder): "\(folder) is in use by another process"
        case .notAFolder(let path): "\(path) is not a folder"
        case .noPermission(let path): "no permission to use \(path)"
        case .refused(let error): "\(error)"
        }
    }
}

extension StoreError {
    /// The same, with the file in its place where it does not name it yet.
    fileprivate func located(at path: String) -> StoreError {
        guard case .corrupt(let place, let detail) = self, !place.contains(path) else {
            return self
        }
        return .corrupt(place: "\(path), \(place)", detail: detail)
    }

    /// Translates whatever came out of a transaction on the database at `place`.
    package init(_ error: any Error, at place: String) {
        switch error {
        case let error as StoreError: self = error.located(at: place)
        case let error as DatabaseError:
            self = StoreError(
                code: error.extendedResultCode.rawValue, message: error.message ?? "no details",
                at: place)
        default: self = .refused(error)
        }
    }

    /// - Parameter code: an extended result code (sqlite.org/rescode.html).
    init(code: CInt, message: String, at place: String) {
        let detail = "\(message) (SQLite code \(code))"
        switch ResultCode(rawValue: code).primaryResultCode {
        case .SQLITE_FULL: self = .full("\(place): \(detail)")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt(place: place, detail: detail)
        case .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_READONLY:
            self = .noPermission("\(place): \(detail)")
        case .SQLITE_CANTOPEN: self = .unavailable("\(place) cannot be opened: \(detail)")
        case .SQLITE_IOERR: self = .unavailable("the disk failed under \(place): \(detail)")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self = .unavailable("\(place) is locked by another program: \(detail)")
        default: self = .unavailable("\(place): \(detail)")
        }
    }
}
