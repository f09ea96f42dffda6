import AggregatorCore
import GRDB
import LedgerCore
import Logging
import SegmentStore
import SyncProtocol

/// Brings a projection up to the log, a step at a time.
///
/// **Invariants.** A step writes its rows and how far they reach in one transaction, so whatever
/// stops it, the rows are those of a beginning of the log. Rows of another log, of one that went
/// further, or of another version of the schema are never added to: the file is made anew.
package struct Follower {
    /// What came of a step.
    package enum Outcome {
        case behind
        case atEnd
    }

    private struct Open {
        let file: ProjectionFile
        var names: NameNumbers
        var position: Int64
        var events: Int64
    }

    /// How far a file has come, by its own word.
    private struct Progress {
        let log: String
        let position: Int64
        let hash: Hash256
        let events: Int64
    }

    private let projection: Projection
    private let source: any LogSource
    private let logger: Logger
    private var open: Open?
    private var end: Int64 = 0
    /// Whether the log grew between the last two steps.
    package private(set) var isLogGrowing = false

    package init(_ projection: Projection, _ source: any LogSource, _ logger: Logger) {
        self.projection = projection
        self.source = source
        self.logger = logger
    }

    // MARK: Steps

    /// Adds the rows of the next segments, as many as a step may.
    ///
    /// - Throws: `StoreError`; nothing of the step is to be seen then, and the next one begins with
    ///   what the file says.
    package mutating func step() throws(StoreError) -> Outcome {
        if let open, !open.file.isInPlace { try rebuild("the file was deleted") }
        if let damage = projection.takeDamage() { try rebuild(damage) }
        do throws(StoreError) {
            return try advance()
        } catch {
            guard case .corrupt(let place, let detail) = error, isOurs(place) else { throw error }
            try rebuild(detail)
            return .behind
        }
    }

    /// Whether a damaged place is one of the projection's file, and not one of the log.
    private func isOurs(_ place: String) -> Bool {
        place == ProjectionSchema.place
            || place.split(separator: "/").last == projection.path.split(separator: "/").last
    }

    private mutating func advance() throws(StoreError) -> Outcome {
        if open == nil { open = try opened() }
        let before = end
        end = try source.lastPosition()
        isLogGrowing = before > 0 && end > before
        guard var open = self.open, end > open.position else { return .atEnd }
        // Whatever a failure leaves half done is not gone on with; and two owners of the fold would
        // copy it.
        self.open = nil
        let isBehind = try write(&open)
        self.open = open
        projection.advanced(through: open.position)
        return isBehind ? .behind : .atEnd
    }

    /// - Returns: whether the log may have more.
    private func write(_ open: inout Open) throws(StoreError) -> Bool {
        let limits = projection.limits
        let start = open.events
        return try open.file.write { database in
            var writer = try ProjectionWriter(database, open.names, events: open.events)
            var hash = Hash256.zero
            var isBehind = true
            while writer.events - start < limits.eventsPerStep {
                let segments = try source.segments(after: open.position, limit: limits.read)
                guard let last = segments.last?.decoded.stored else {
                    isBehind = false
                    break
                }
                for segment in segments {
                    try checkReleases(segment.decoded, database)
                    try writer.add(segment)
                }
                open.position = last.position
                hash = last.hash
            }
            open.events = writer.events
            open.names = try writer.finish(position: open.position, hash: hash)
            return isBehind
        }
    }

    /// Events that get their effect late would stand between others whose balances are written: the
    /// rows are made anew, unless they were already made with that knowledge.
    private func checkReleases(
        _ decoded: DecodedSegment, _ database: Database
    ) throws(StoreError) {
        guard decoded.stream.genesis.writer == .hub else { return }
        for case .event(let event) in decoded.stored.segment.hubEvents() {
            guard case .released(let span) = event.content.fact,
                try ProjectionWriter.hasWithoutEffect(span, database)
            else { continue }
            throw .corrupt(
                place: ProjectionSchema.place,
                detail: "events of \(span.stream) were released that it shows as set aside")
        }
    }

    // MARK: Opening

    /// Closes the file and deletes it; the next step begins a new one.
    package mutating func rebuild(_ reason: String) throws(StoreError) {
        logger.notice("rebuilding the projection", metadata: ["projection.reason": "\(reason)"])
        open = nil
        if let file = projection.withdraw("the projection is being rebuilt: \(reason)") {
            try file.close()
        }
        try ProjectionFile.remove(projection.path)
    }

    package mutating func close() {
        open = nil
        do throws(StoreError) {
            try projection.withdraw("the aggregator is stopping")?.close()
        } catch {
            logger.warning("closing the projection", metadata: ["store.error": "\(error)"])
        }
    }

    private mutating func opened() throws(StoreError) -> Open {
        // One that a failed step left open is opened anew all the same: what it says counts.
        try projection.withdraw("the projection is being opened")?.close()
        let file = try ProjectionFile(path: projection.path, limits: projection.limits)
        // Thrown as corrupt where the rows are not those of a beginning of this log.
        do throws(StoreError) {
            let progress = try progress(in: file)
            try check(progress, file)
            let open = Open(
                file: file, names: NameNumbers(namesMax: projection.limits.namesMax),
                position: progress.position, events: progress.events)
            projection.open(file, through: progress.position)
            return open
        } catch {
            try file.close()
            throw error
        }
    }

    /// What the file says, or where there is nothing in it, what is written into it as a beginning.
    private func progress(in file: ProjectionFile) throws(StoreError) -> Progress {
        let identity = source.identity
        return try file.write { database in
            let owner = try Follower.pragma(database, "PRAGMA application_id")
            let version = try Follower.pragma(database, "PRAGMA user_version")
            if owner == 0, version == 0 {
                try ProjectionSchema.create(database)
                var insert = try SQLStatement(
                    database,
                    """
                    INSERT INTO progress (only_row, log, position, hash, events)
                    VALUES (1, ?, 0, zeroblob(32), 0)
                    """)
                try insert.bind(identity)
                try insert.run()
            } else if owner != ProjectionSchema.applicationID
                || version != ProjectionSchema.version
            {
                throw StoreError.corrupt(
                    place: file.path,
                    detail: "it has version \(version), not \(ProjectionSchema.version)")
            }
            var select = try SQLStatement(
                database, "SELECT log, position, hash, events FROM progress")
            guard try select.step() else {
                throw StoreError.corrupt(place: file.path, detail: "it does not say how far it is")
            }
            let hash = select.blob(2)
            guard hash.count == Hash256.byteCount else {
                throw StoreError.corrupt(place: file.path, detail: "its position has no hash")
            }
            return Progress(
                log: select.text(0), position: select.integer(1), hash: Hash256(hash),
                events: select.integer(3))
        }
    }

    private static func pragma(_ database: Database, _ sql: String) throws(StoreError) -> Int64 {
        var statement = try SQLStatement(database, sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    // MARK: Whose rows they are

    /// A log that was put back from a copy has at some position another segment than the rows were
    /// made of, and then at all behind it: it is looked for at the end, and at ever greater distances
    /// before it.
    private func check(_ progress: Progress, _ file: ProjectionFile) throws(StoreError) {
        guard progress.log == source.identity else {
            throw .corrupt(place: file.path, detail: "its rows are of \(progress.log)")
        }
        guard progress.position > 0 else { return }
        var distance: Int64 = 0
        while distance < progress.position {
            let position = progress.position - distance
            let logged = try source.segments(
                after: position - 1, limit: ReadLimit(segments: 1)
            ).first?.decoded
            guard let logged, logged.stored.position == position,
                distance > 0 || logged.stored.hash == progress.hash,
                try isSame(logged, file)
            else {
                throw .corrupt(
                    place: file.path,
                    detail: "the log does not have the segment \(position) that it was made of")
            }
            distance = max(1, distance * 2)
        }
    }

    private func isSame(_ logged: DecodedSegment, _ file: ProjectionFile) throws(StoreError) -> Bool
    {
        try file.read { database in
            var select = try SQLStatement(
                database,
                """
                SELECT s.tag, g.first_sequence, g.events FROM segment g
                JOIN stream s ON s.id = g.stream WHERE g.position = ?
                """)
            try select.bind(logged.stored.position)
            let header = logged.stored.segment.header
            return try select.step() && select.text(0) == logged.stream.tag.description
                && select.integer(1) == Int64(clamping: header.firstSequence)
                && select.integer(2) == Int64(header.count)
        }
    }
}
