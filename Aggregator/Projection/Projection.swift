import GRDB
import Glibc
import LedgerCore
import SegmentStore
import Synchronization

/// The rows behind the log, as readers see them: whatever file the projector has open at the moment.
///
/// **Overview.** The log is the truth; this is derived from it, follows behind, says how far it has
/// come, and may be deleted at any time.
package final class Projection: Sendable {
    private struct State {
        var file: ProjectionFile?
        var reason = "the projection is being opened"
        var damage: String?
    }

    package let path: String
    package let limits: ProjectionLimits
    private let state = Mutex(State())
    private let position = Atomic<Int64>(0)

    package init(path: String, limits: ProjectionLimits = ProjectionLimits()) {
        self.path = path
        self.limits = limits
    }

    /// Deletes the file and nothing beside it, so that the rows are made anew: by a running aggregator
    /// at once, while it serves, else by the next one.
    ///
    /// - Returns: false where there was none.
    package static func delete(_ path: String) throws(StoreError) -> Bool {
        guard unlink(path) != 0 else { return true }
        guard errno == ENOENT else {
            throw .unavailable("\(path) cannot be deleted: \(String(cString: strerror(errno)))")
        }
        return false
    }

    /// The position of the last segment of the log that has its rows.
    package var indexedThrough: Int64 { position.load(ordering: .acquiring) }

    /// Reads one consistent state.
    ///
    /// - Throws: `StoreError.unavailable` while there is no file to read.
    func read<Value>(_ body: (ProjectionReader) throws -> Value) throws(StoreError) -> Value {
        let (file, reason) = state.withLock { ($0.file, $0.reason) }
        guard let file else { throw .unavailable(reason) }
        do throws(StoreError) {
            return try file.read { database in
                try body(ProjectionReader(database, file, limits))
            }
        } catch {
            guard case .corrupt(_, let detail) = error else { throw error }
            state.withLock { $0.damage = detail }
            throw .unavailable("the projection is damaged, and will be rebuilt: \(error)")
        }
    }

    // MARK: The projector's side

    /// What a reader has found damaged, once.
    func takeDamage() -> String? {
        state.withLock { state in
            defer { state.damage = nil }
            return state.damage
        }
    }

    func open(_ file: ProjectionFile, through position: Int64) {
        state.withLock { $0.file = file }
        self.position.store(position, ordering: .releasing)
    }

    func advanced(through position: Int64) {
        self.position.store(position, ordering: .releasing)
    }

    /// From here on nobody begins to read.
    ///
    /// - Returns: the file, to be closed.
    func withdraw(_ reason: String) -> ProjectionFile? {
        position.store(0, ordering: .releasing)
        return state.withLock { state in
            state.reason = reason
            defer { state.file = nil }
            return state.file
        }
    }
}
