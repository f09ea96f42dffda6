import LedgerCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file that holds a device's private key, readable by its owner only: 64 hex digits of seed
/// and a line feed.
///
/// A key that is lost cannot be made again, and a stream signed by a key that did not survive the
/// next power cut could not be continued: so a new key is durable before anybody is told of it.
package enum DeviceKey {
    package static let fileName = "device.key"
    private static let mode: mode_t = 0o600

    /// Why there is no key to sign with.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package let path: String
        package let reason: String

        package var description: String { "the key file \(path) \(reason)" }
    }

    /// Reads the key in `folder`; where there is none, makes one.
    ///
    /// The caller holds the folder's lock: two processes that both found none would each make one.
    ///
    /// - Parameter traces: files that are made once there is a key. Where one of them is there, the
    ///   key is lost, and none is made.
    /// - Throws: `Failure` where the file holds anything but a key, others may read it, or the disk
    ///   refuses. A file that is there is never overwritten.
    package static func loadOrCreate(
        folder: String, unlessThereIs traces: [String] = []
    ) throws(Failure) -> Ed25519Signer {
        let path = "\(folder)/\(fileName)"
        if let signer = try load(path) { return signer }
        if let trace = traces.first(where: { access($0, F_OK) == 0 }) {
            throw Failure(
                path: path,
                reason: "is missing, and \(trace) was written with it; restore it from a backup")
        }
        let signer = Ed25519Signer.generate()
        try create(path, folder: folder, signer)
        return signer
    }

    /// The seed of the key in a folder, for a backup; nil where there is none. It is secret.
    ///
    /// - Throws: as `loadOrCreate`.
    package static func seed(in folder: String) throws(Failure) -> [UInt8]? {
        try load("\(folder)/\(fileName)")?.seed
    }

    /// Puts the key of a backup into a folder that has none.
    ///
    /// - Throws: `Failure`, where there is one already too.
    package static func restore(seed: [UInt8], folder: String) throws(Failure) {
        let path = "\(folder)/\(fileName)"
        guard access(path, F_OK) != 0 else {
            throw Failure(path: path, reason: "is there already, and is left as it is")
        }
        let signer: Ed25519Signer
        do throws(InvalidValue) { signer = try Ed25519Signer(seed: seed) } catch {
            throw Failure(path: path, reason: "cannot be made from the backup: \(error)")
        }
        try create(path, folder: folder, signer)
    }

    // MARK: Reading

    /// - Returns: nil where there is no file.
    private static func load(_ path: String) throws(Failure) -> Ed25519Signer? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 && errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path, "cannot be looked at") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(path: path, reason: "is no ordinary file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Failure(
                path: path,
                reason:
                    "can be read by others (mode \(String(status.st_mode & 0o777, radix: 8))); make it 600"
            )
        }
        guard let seed = seed(from: try contents(descriptor, path)) else {
            throw Failure(
                path: path,
                reason:
                    "does not hold a key of 64 hex digits; restore it from a backup, or remove it to begin a new stream"
            )
        }
        do { return try Ed25519Signer(seed: seed) } catch {
            throw Failure(path: path, reason: "holds no key: \(error)")
        }
    }

    /// One byte more than a key has, so that a file that goes on is seen to.
    private static func contents(_ descriptor: CInt, _ path: String) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 2 * Ed25519Signer.seedByteCount + 2)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw failure(path, "cannot be read") }
        return Array(bytes[..<count])
    }

    private static func seed(from text: [UInt8]) -> [UInt8]? {
        let digits = text.last == UInt8(ascii: "\n") ? text.dropLast() : text[...]
        guard digits.count == 2 * Ed25519Signer.seedByteCount else { return nil }
        let values = digits.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard values.count == digits.count else { return nil }
        return stride(from: 0, to: values.count, by: 2).map {
            UInt8(values[$0] << 4 | values[$0 + 1])
        }
    }

    // MARK: Writing

    /// Temporary file, sync, rename, sync of the folder: after a power cut there is the whole file
    /// or none.
    private static func create(_ path: String, folder: String, _ signer: Ed25519Signer)
        throws(Failure)
    {
        let temporary = "\(path).new"
        guard unlink(temporary) == 0 || errno == ENOENT else {
            throw failure(temporary, "cannot be removed")
        }
        try withFile(temporary, O_WRONLY | O_CREAT | O_EXCL) { (descriptor) throws(Failure) in
            let text = Array((signer.seed.hexadecimal + "\n").utf8)
            guard fchmod(descriptor, mode) == 0, write(descriptor, text, text.count) == text.count,
                fsync(descriptor) == 0
            else { throw failure(temporary, "cannot be written") }
        }
        guard rename(temporary, path) == 0 else {
            throw failure(path, "cannot be put in its place")
        }
        try withFile(folder, O_RDONLY | O_DIRECTORY) { (descriptor) throws(Failure) in
            guard fsync(descriptor) == 0 else { throw failure(folder, "cannot be synced") }
        }
    }

    private static func withFile(
        _ path: String, _ flags: CInt, _ body: (CInt) throws(Failure) -> Void
    ) throws(Failure) {
        let descriptor = open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        try body(descriptor)
    }

    private static func failure(_ path: String, _ what: String) -> Failure {
        Failure(path: path, reason: "\(what): \(String(cString: strerror(errno)))")
    }
}
