import FleetHarness
import Foundation
import Testing

/// When a data folder is copied.
enum CopyMoment: String, CaseIterable, CustomTestStringConvertible {
    /// As a careful person does it.
    case stopped
    /// As a nightly job does it: the database and its write-ahead log, as they stand.
    case running

    var testDescription: String { "while \(rawValue)" }
}

extension Daemon {
    /// Copies the data folder, and leaves the daemon running.
    ///
    /// - Returns: where the copy is.
    func copyData(_ moment: CopyMoment, as name: String) throws -> String {
        let copy = "\(data)-\(name)"
        if moment == .stopped { _ = stop() }
        try FileManager.default.createDirectory(
            atPath: copy, withIntermediateDirectories: false)
        // The database before its log: what a checkpoint moves in between is in both.
        for file in try FileManager.default.contentsOfDirectory(atPath: data).sorted()
        where !file.hasSuffix("-shm") && file != "lock" {
            try FileManager.default.copyItem(atPath: "\(data)/\(file)", toPath: "\(copy)/\(file)")
        }
        if moment == .stopped { try start() }
        return copy
    }

    /// Puts a copy in the place of the data folder, which is kept under another name.
    ///
    /// - Parameter copy: nil for an empty disk.
    /// - Returns: where the former folder is.
    @discardableResult
    func replaceData(with copy: String?) throws -> String {
        process.kill()
        let former = "\(data)-former-\(UUID().uuidString.prefix(8))"
        try FileManager.default.moveItem(atPath: data, toPath: former)
        if let copy { try FileManager.default.copyItem(atPath: copy, toPath: data) }
        return former
    }
}
