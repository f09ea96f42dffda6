#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The few calls of the operating system that SQLite does not make for us, with their errors as
/// sentences.
enum SystemCall {
    /// Runs a call again for as long as a signal interrupts it.
    static func retrying(_ call: () -> CInt) -> CInt {
        while true {
            let result = call()
            if result != -1 || errno != EINTR { return result }
        }
    }

    /// What `errno` says about `path`.
    static func failure(_ what: String, _ path: String, _ code: CInt = errno) -> StoreError {
        switch code {
        case EACCES, EPERM: .noPermission(path)
        case ENOTDIR: .notAFolder(path)
        case ENOSPC, EDQUOT: .full("\(what) \(path): \(String(cString: strerror(code)))")
        default: .unavailable("\(what) \(path) failed: \(String(cString: strerror(code)))")
        }
    }

    /// Opens, runs `body` and closes.
    static func withFile<Value>(
        _ path: String, _ flags: CInt, mode: mode_t = 0, _ body: (CInt) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let descriptor = retrying { open(path, flags | O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw failure("opening", path) }
        defer { close(descriptor) }
        return try body(descriptor)
    }

    /// Makes the names in a folder durable: a new file is there after a power cut only once its
    /// folder is synced too.
    static func syncFolder(_ path: String) throws(StoreError) {
        try withFile(path, O_RDONLY | O_DIRECTORY) { (descriptor) throws(StoreError) in
            guard retrying({ fsync(descriptor) }) == 0 else { throw failure("syncing", path) }
        }
    }

    /// The folder that a path lies in.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func status(of path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    static func isFolder(_ status: stat) -> Bool {
        status.st_mode & S_IFMT == S_IFDIR
    }

    /// Up to `count` bytes from the start of an open file.
    static func readStart(_ descriptor: CInt, count: Int, _ path: String) throws(StoreError)
        -> [UInt8]
    {
        var failed: CInt?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let result = pread(descriptor, buffer.baseAddress, count, 0)
            if result < 0 { failed = errno }
            filled = max(result, 0)
        }
        if let failed { throw failure("reading", path, failed) }
        return bytes
    }

    /// What an ordinary user may still write to the file system of that file; nil where nobody
    /// says.
    static func availableBytes(besides path: String) -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    // MARK: Files

    /// Copies a file into a new one that only its owner can read.
    static func copyFile(_ source: String, _ target: String) throws(StoreError) {
        try withFile(source, O_RDONLY) { (from) throws(StoreError) in
            try withFile(target, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600) {
                (to) throws(StoreError) in
                var buffer = [UInt8](repeating: 0, count: 1 << 18)
                while true {
                    let count = read(from, &buffer, buffer.count)
                    if count == 0 { return }
                    guard count > 0 else { throw failure("reading", source) }
                    guard write(to, buffer, count) == count else {
                        throw failure("writing", target)
                    }
                }
            }
        }
    }

    /// Puts a finished file where it belongs, readable by its owner only: after a power cut there is
    /// the whole file of that name or none.
    static func put(_ temporary: String, inPlaceOf path: String) throws(StoreError) {
        try withFile(temporary, O_RDWR) { (descriptor) throws(StoreError) in
            guard fchmod(descriptor, 0o600) == 0, retrying({ fsync(descriptor) }) == 0 else {
                throw failure("syncing", temporary)
            }
        }
        guard rename(temporary, path) == 0 else { throw failure("making", path) }
        try syncFolder(folder(of: path))
    }

    /// What lies in a folder.
    static func names(in folder: String) throws(StoreError) -> [String] {
        guard let stream = opendir(folder) else { throw failure("looking into", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(
                    to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)
                ) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
