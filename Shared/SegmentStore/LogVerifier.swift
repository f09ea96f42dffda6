import GRDB
import LedgerCore
import SyncProtocol

/// Checks a log from the first byte to the last, without writing to it: `verify`.
///
/// **Function.** Takes a consistent copy, has SQLite check its pages, walks every stream
/// (checksums, headers, the chain of hashes from the genesis, sequence numbers, dictionaries, every
/// event), adds up all accounts by code of its own, and compares that with the checkpointed
/// balances and the table of keys. What it finds are values, each with its place.
///
/// Memory grows with the number of accounts and names, not with the log. It takes as long as
/// reading the log does.
package struct LogVerifier<Hasher: ContentHasher> {
    private let hasher: Hasher
    private let scratch: String

    /// - Parameter scratch: a folder with room for a copy of the database.
    package init(hasher: Hasher, scratch: String = "/tmp") {
        self.hasher = hasher
        self.scratch = scratch
    }

    /// Checks the database in that file.
    ///
    /// - Throws: `StoreError` where there is nothing to look at or no room for the copy. Damage is
    ///   a finding.
    package func verify(
        database path: String, progress: @escaping (VerifyProgress) -> Void = { _ in }
    ) throws(StoreError) -> VerifyReport {
        progress(VerifyProgress(step: .copying, segments: 0, segmentsTotal: 0))
        var report = VerifyReport()
        if let loss = try FoundingMark.loss(of: path) {
            report.add(VerifyFinding(loss.description))
            return report
        }
        let copy = try LogCopy(of: path, scratch: scratch)
        do {
            let queue = try DatabaseQueue(path: copy.path)
            queue.writeWithoutTransaction { verify($0, path, &report, progress) }
            try queue.close()
        } catch {
            report.add(VerifyFinding(StoreError(error, at: path).description))
        }
        return report
    }

    private func verify(
        _ database: Database, _ path: String, _ report: inout VerifyReport,
        _ progress: @escaping (VerifyProgress) -> Void
    ) {
        progress(VerifyProgress(step: .checkingPages, segments: 0, segmentsTotal: 0))
        attempt(path, &report) { (report) throws(StoreError) in try checkPages(database, &report) }
        var walk = LogWalk(hasher: hasher, checkpoint: 0, progress: progress)
        attempt(path, &report) { (report) throws(StoreError) in
            walk = LogWalk(
                hasher: hasher, checkpoint: try checkpointPosition(database), progress: progress)
            try walk.run(database, &report)
            try FoundingMark.check(path, holdsOneOf: try SegmentLog.streams(database))
        }
        progress(
            VerifyProgress(
                step: .comparing, segments: report.segments, segmentsTotal: report.segments))
        attempt(path, &report) { (report) throws(StoreError) in
            try walk.checkKeys(database, &report)
        }
        attempt(path, &report) { (report) throws(StoreError) in
            try BalanceCheck(
                through: walk.checkpointed, all: walk.checkpointed.adding(walk.tail),
                isWhole: walk.isWhole
            )
            .run(database, &report)
        }
    }

    /// A part that cannot be read is a finding, and the other parts are looked at all the same.
    private func attempt(
        _ path: String, _ report: inout VerifyReport,
        _ step: (inout VerifyReport) throws(StoreError) -> Void
    ) {
        do throws(StoreError) { try step(&report) } catch {
            report.add(VerifyFinding(error.description))
        }
    }

    private func checkPages(_ database: Database, _ report: inout VerifyReport) throws(StoreError) {
        var check = try SQLStatement(database, "PRAGMA integrity_check(100)")
        while try check.step() {
            let message = check.text(0)
            if message != "ok" { report.add(VerifyFinding("SQLite's own check: \(message)")) }
        }
    }

    private func checkpointPosition(_ database: Database) throws(StoreError) -> Int64 {
        var select = try SQLStatement(database, "SELECT position FROM fold_position")
        return try select.step() ? select.integer(0) : 0
    }
}
