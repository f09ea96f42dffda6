import Foundation
import LedgerCore
import MessageInspection
import Workers

/// A capture that is being written. Used by one thread at a time.
///
/// `@unchecked Sendable`: opened by the command, then used by the connection's thread alone until that has ended,
/// and closed by the command.
final class CaptureFile: @unchecked Sendable {
    private let path: String
    private let file: FileHandle
    private let byteCountMax: Int
    private var byteCount: Int

    /// - Throws: `TraceFailure` where the file is there already, or cannot be made.
    init(path: String, byteCountMax: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST
                ? TraceFailure.usage("\(path) is there already, and is not written over")
                : TraceFailure.failed("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        self.path = path
        self.byteCountMax = byteCountMax
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let header = CaptureFormat.header(createdAt: WallClock.now())
        byteCount = header.count
        try file.write(contentsOf: Data(header))
    }

    func append(_ message: CapturedMessage) throws {
        let record = CaptureFormat.record(message)
        guard byteCount + record.count <= byteCountMax else {
            throw TraceFailure.failed(
                "\(path) has reached its limit of \(byteCountMax >> 20) MiB (--write-max)")
        }
        do {
            try file.write(contentsOf: Data(record))
        } catch {
            throw TraceFailure.failed("\(path) cannot be written: \(error.localizedDescription)")
        }
        byteCount += record.count
    }

    func close() throws { try file.close() }
}
