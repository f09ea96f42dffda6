import LedgerCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The database's file before SQLite sees it: created with the right mode, or looked at without
/// touching it.
enum DatabaseFile {
    /// What every SQLite file starts with (sqlite.org/fileformat.html, section 1.2).
    private static let magic = Array("SQLite format 3\0".utf8)
    private static let headerByteCount = 100

    /// Creates the file (mode 0600, which SQLite gives to its companions too) and makes its name
    /// durable, which SQLite leaves to others; or checks the header of the one that is there.
    ///
    /// A rollback journal beside it is that of a first opening which was interrupted, for ours have
    /// one only then: SQLite will undo what it finds half written, so that is not looked at.
    ///
    /// - Returns: whether there is nothing in it yet.
    /// - Throws: `StoreError.corrupt` also where a stream was founded in it, and it is gone.
    static func prepare(_ path: String) throws(StoreError) -> Bool {
        if let loss = try FoundingMark.loss(of: path) { throw loss }
        guard let status = SystemCall.status(of: path) else {
            try SystemCall.withFile(path, O_RDWR | O_CREAT, mode: 0o600) {
                (descriptor) throws(StoreError) in
                guard SystemCall.retrying({ fsync(descriptor) }) == 0 else {
                    throw SystemCall.failure("syncing", path)
                }
            }
            try SystemCall.syncFolder(SystemCall.folder(of: path))
            return true
        }
        if SystemCall.isFolder(status) { throw .unavailable("\(path) is a folder, not a database") }
        if status.st_size == 0 || SystemCall.status(of: "\(path)-journal") != nil { return true }
        try checkHeader(path, byteCount: Int(status.st_size))
        return false
    }

    /// A look at the first 100 bytes, at every start; the rest is `verify`'s, for it takes as long
    /// as the log is.
    static func checkHeader(_ path: String, byteCount: Int) throws(StoreError) {
        let header = try SystemCall.withFile(path, O_RDONLY) { (descriptor) throws(StoreError) in
            try SystemCall.readStart(descriptor, count: headerByteCount, path)
        }
        guard header.count == headerByteCount else {
            throw .corrupt(
                place: path, detail: "it has \(byteCount) bytes, and a database has at least 512")
        }
        guard header.starts(with: magic) else {
            throw .corrupt(
                place: "\(path), bytes 0 to 15", detail: "they are not those of an SQLite database")
        }
        let pageSize = Int(header[16]) << 8 | Int(header[17])
        // One stands for 65,536, which does not fit.
        guard pageSize == 1 || (pageSize >= 512 && pageSize.nonzeroBitCount == 1) else {
            throw .corrupt(place: "\(path), bytes 16 to 17", detail: "\(pageSize) is no page size")
        }
        guard header[21] == 64, header[22] == 32, header[23] == 32 else {
            throw .corrupt(
                place: "\(path), bytes 21 to 23",
                detail: "the payload fractions are not 64, 32 and 32")
        }
    }

    /// What SQLite is to open: the path, or where a VFS is asked for, a URI that names it
    /// (sqlite.org/uri.html).
    static func location(_ path: String, vfs: String?) -> String {
        guard let vfs else { return path }
        let absolute = path.hasPrefix("/") ? path : "\(currentFolder)/\(path)"
        return "file:\(percentEncoded(absolute))?vfs=\(percentEncoded(vfs))"
    }

    private static var currentFolder: String {
        guard let name = getcwd(nil, 0) else { return "." }
        defer { free(name) }
        return String(cString: name)
    }

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { encoded, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default: encoded += "%" + [byte].hexadecimal
            }
        }
    }
}
