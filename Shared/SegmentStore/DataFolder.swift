#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A folder that one process at a time may work in. The lock is the kernel's (`flock` on
/// `DIR/lock`), so it ends with the process, however it ends, and no stale lock is ever left
/// behind; the process id in the file is for people.
package final class DataFolder: Sendable {
    package static let lockName = "lock"

    package let path: String
    /// Holds the lock for as long as it is open.
    private let descriptor: CInt

    /// Creates the folder (mode 0700) where it is missing, and locks it.
    ///
    /// - Throws: `StoreError.inUse` naming the process that has it, `.notAFolder`, `.noPermission`.
    package init(path: String) throws(StoreError) {
        self.path = path
        try DataFolder.create(path)
        descriptor = try DataFolder.lock(path)
    }

    deinit {
        close(descriptor)
    }

    /// The path of a file in this folder.
    package func file(_ name: String) -> String {
        "\(path)/\(name)"
    }

    /// Refuses a folder that another kind of daemon works in: the two would share one key.
    package func refuse(ifThereIs name: String, of owner: String) throws(StoreError) {
        for trace in FoundingMark.traces(of: file(name)) where SystemCall.status(of: trace) != nil {
            throw .unavailable("\(path) is the data folder of \(owner): it has \(trace)")
        }
    }

    /// The process that holds the folder: nil where nobody does.
    ///
    /// Opens the lock for reading only and changes nothing, so that it may be asked of a disk that
    /// must not be touched.
    package static func isHeld(_ path: String) throws(StoreError) -> Bool {
        let name = "\(path)/\(lockName)"
        let descriptor = SystemCall.retrying { open(name, O_RDONLY | O_CLOEXEC) }
        if descriptor < 0 && errno == ENOENT { return false }
        guard descriptor >= 0 else { throw SystemCall.failure("opening", name) }
        defer { close(descriptor) }
        return SystemCall.retrying { flock(descriptor, LOCK_EX | LOCK_NB) } != 0
    }

    private static func create(_ path: String) throws(StoreError) {
        if let status = SystemCall.status(of: path) {
            guard SystemCall.isFolder(status) else { throw .notAFolder(path) }
            return
        }
        let parent = SystemCall.folder(of: path)
        if SystemCall.status(of: parent) == nil && errno == ENOENT { try create(parent) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw SystemCall.failure("creating", path)
        }
        try SystemCall.syncFolder(parent)
    }

    private static func lock(_ path: String) throws(StoreError) -> CInt {
        let name = "\(path)/\(lockName)"
        let descriptor = SystemCall.retrying { open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw SystemCall.failure("opening", name) }
        do throws(StoreError) {
            guard SystemCall.retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
                guard errno == EWOULDBLOCK else { throw SystemCall.failure("locking", name) }
                throw .inUse(processID: try holder(descriptor, name), folder: path)
            }
            try writeProcessID(descriptor, name)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func holder(_ descriptor: CInt, _ name: String) throws(StoreError) -> Int32? {
        let digits = try SystemCall.readStart(descriptor, count: 16, name).prefix {
            $0 != UInt8(ascii: "\n")
        }
        return Int32(String(decoding: digits, as: UTF8.self))
    }

    private static func writeProcessID(_ descriptor: CInt, _ name: String) throws(StoreError) {
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count
        else {
            throw SystemCall.failure("writing", name)
        }
    }
}
