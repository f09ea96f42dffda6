import GRDB
import LedgerCore
import SyncProtocol
import Synchronization

/// A segment with its events in full.
package struct DecodedSegment: Sendable {
    package let stream: StreamRow
    package let stored: StoredSegment
    /// Of an agent; of a hub's segment, none.
    package let events: [ReadEvent]
    /// The names in front of it.
    package let before: DictionaryState
    /// Whether events of an earlier segment have some of these numbers: a fork.
    package let isRepeated: Bool

    /// One event with all that is known of its place.
    package func logged(_ event: ReadEvent) -> LoggedEvent {
        LoggedEvent(
            stream: stream, position: stored.position, segmentHash: stored.hash,
            segment: stored.segment.header, recordedAt: stored.recordedAt, event: event,
            id: id(of: event.sequence))
    }

    /// The id of an event of this segment: of two with one number, the one that came first has the
    /// plain one.
    package func id(of sequence: UInt64) -> EventID {
        EventID(
            agent: stream.genesis.agent, stream: stream.tag, sequence: sequence,
            branch: isRepeated ? stored.hash.shortDescription : nil)
    }
}

/// An event with its place in the log.
package struct LoggedEvent: Sendable {
    package let stream: StreamRow
    /// Of its segment.
    package let position: Int64
    package let segmentHash: Hash256
    package let segment: SegmentHeader
    /// When its segment was committed here.
    package let recordedAt: Timestamp
    package let event: ReadEvent
    package let id: EventID
}

/// Whether a walk through the log goes on.
package enum WalkStep: Sendable {
    case next
    case stop
}

/// Reads the log's events in full, for the read paths of both APIs, the auditor and the command
/// line.
///
/// **Function.** Any thread asks, one event by its place or a walk in either direction. A walk
/// takes a batch at a time, each from its own short snapshot, so its memory is bounded and the
/// write-ahead log is free to start over in between; what is committed meanwhile behind the cursor
/// is seen too.
///
/// **Implementation.** Events carry numbers of their stream's dictionary. Those are kept here from
/// read to read, and extended from the definitions table as the walk needs them.
package final class LogReader: Sendable {
    private struct State {
        var streams: [StreamID: StreamRow] = [:]
        var dictionaries: [StreamID: DictionaryCache] = [:]
    }

    /// Dictionaries kept; beyond it all are dropped and read again as needed.
    private static let dictionariesMax = 1024

    private let database: LogDatabase
    private let hasher: any ContentHasher
    private let state = Mutex(State())

    /// - Parameter hasher: tells names that their writer spoiled from those that the disk did.
    package init(_ database: LogDatabase, hasher: any ContentHasher) {
        self.database = database
        self.hasher = hasher
    }

    // MARK: One event

    /// The event of that number; nil where the log does not have it. After a fork, `branch` (the
    /// first 8 hex digits of its segment's hash) says which; without it, the one that came first.
    package func event(
        stream: StreamID, sequence: UInt64, branch: String? = nil
    ) throws(StoreError) -> LoggedEvent? {
        let found = try read { (database) throws(StoreError) in
            let found = try SegmentLog.segments(database, of: stream, containing: sequence)
            return found.first { branch == nil || $0.hash.shortDescription == branch }
                .map { [$0] } ?? []
        }
        guard let segment = found.first else { return nil }
        return segment.events.first { $0.sequence == sequence }.map(segment.logged)
    }

    /// The event of that id.
    package func event(_ id: EventID) throws(StoreError) -> LoggedEvent? {
        let rows = try database.read { try SegmentLog.streams($0, tag: id.stream) }
        for row in rows where row.genesis.agent == id.agent {
            if let event = try event(stream: row.id, sequence: id.sequence, branch: id.branch) {
                return event
            }
        }
        return nil
    }

    /// All names of a stream that led to that state of its dictionary, with nil for each that cannot
    /// be read and never could.
    package func names(
        of stream: StreamID, leadingTo state: DictionaryState
    ) throws(StoreError) -> [Definition?] {
        try database.read { [hasher] in
            try SegmentLog.names($0, of: stream, leadingTo: state, hasher)
        }
    }

    // MARK: Walks

    /// The next segments behind a position, the oldest first, as many as one read hands out; none
    /// at the end of the log.
    package func batch(
        after position: Int64, limit: ReadLimit = .init()
    ) throws(StoreError) -> [DecodedSegment] {
        try read { (database) throws(StoreError) in
            try SegmentLog.segments(database, after: position, limit: limit)
        }
    }

    /// Walks the segments behind a position, the oldest first, until `visit` says stop or the log
    /// ends.
    package func segments(
        after position: Int64, limit: ReadLimit = .init(), _ visit: (DecodedSegment) -> WalkStep
    ) throws(StoreError) {
        try walk(from: position, visit) { (database, cursor) throws(StoreError) in
            try SegmentLog.segments(database, after: cursor, limit: limit)
        }
    }

    /// Walks the segments before a position, the latest first. `Int64.max` begins at the end of the
    /// log.
    package func segments(
        before position: Int64, limit: ReadLimit = .init(), _ visit: (DecodedSegment) -> WalkStep
    ) throws(StoreError) {
        try walk(from: position, visit) { (database, cursor) throws(StoreError) in
            try SegmentLog.segments(database, before: cursor, limit: limit)
        }
    }

    /// Walks the events behind a position, the oldest first.
    package func events(
        after position: Int64, limit: ReadLimit = .init(), _ visit: (LoggedEvent) -> WalkStep
    ) throws(StoreError) {
        try segments(after: position, limit: limit) { segment in
            for event in segment.events where visit(segment.logged(event)) == .stop { return .stop }
            return .next
        }
    }

    /// Walks the events before a position, the latest first.
    package func events(
        before position: Int64, limit: ReadLimit = .init(), _ visit: (LoggedEvent) -> WalkStep
    ) throws(StoreError) {
        try segments(before: position, limit: limit) { segment in
            for event in segment.events.reversed() where visit(segment.logged(event)) == .stop {
                return .stop
            }
            return .next
        }
    }

    private func walk(
        from start: Int64, _ visit: (DecodedSegment) -> WalkStep,
        _ next: (Database, Int64) throws(StoreError) -> [StoredSegment]
    ) throws(StoreError) {
        var cursor = start
        while true {
            let batch = try read { (database) throws(StoreError) in try next(database, cursor) }
            guard let last = batch.last else { return }
            for segment in batch where visit(segment) == .stop { return }
            cursor = last.stored.position
        }
    }

    // MARK: Decoding

    /// Fetches segments and, from the same snapshot, the definitions that they need; decodes
    /// outside of both.
    private func read(
        _ fetch: (Database) throws(StoreError) -> [StoredSegment]
    ) throws(StoreError) -> [DecodedSegment] {
        let (found, repeated) = try database.read { database in
            let found = try fetch(database).map {
                (try stream($0.streamID, database), $0, try dictionary(of: $0, database))
            }
            let positions = found.map(\.1.position)
            guard let first = positions.min(), let last = positions.max() else {
                return (found, [] as Set<Int64>)
            }
            return (found, try SegmentLog.repeatedSegments(database, in: first...last))
        }
        return found.map { stream, stored, dictionary in
            DecodedSegment(
                stream: stream, stored: stored,
                events: stored.segment.effectiveEvents(of: stream) { dictionary.name($0) },
                before: dictionary.state(before: stored.segment.header),
                isRepeated: repeated.contains(stored.position))
        }
    }

    private func stream(_ id: StreamID, _ database: Database) throws(StoreError) -> StreamRow {
        if let row = state.withLock({ $0.streams[id] }) { return row }
        let rows = try SegmentLog.streams(database)
        state.withLock { state in
            for row in rows { state.streams[row.id] = row }
        }
        guard let row = rows.first(where: { $0.id == id }) else {
            throw .corrupt(
                place: database.place,
                detail: "segments of stream \(id) are there, but not the stream")
        }
        return row
    }

    /// The dictionary that a segment's events are read with: its stream's as far as that segment,
    /// or further.
    private func dictionary(of stored: StoredSegment, _ database: Database) throws(StoreError)
        -> DictionaryCache
    {
        let needed = stored.segment.header.dictionary
        let cached = state.withLock { $0.dictionaries[stored.streamID] } ?? DictionaryCache()
        if cached.leads(through: needed) { return cached }
        let extended = try cached.extended(to: needed, of: stored.streamID, database, hasher)
        state.withLock { state in
            if state.dictionaries.count >= LogReader.dictionariesMax {
                state.dictionaries.removeAll()
            }
            state.dictionaries[stored.streamID] = extended
        }
        return extended
    }
}

/// The names of one branch of a stream, and the states that its dictionary went through.
struct DictionaryCache: Sendable {
    /// Nil for those whose definition cannot be read, and never could.
    private var names: [Definition?] = []
    private var states: [DictionaryState] = [.empty]

    var all: [Definition?] { names }

    func name(_ number: UInt32) -> Definition? {
        number < names.count ? names[Int(number)] : nil
    }

    /// Whether that state is one of those that led here, so that its names are the same.
    func leads(through state: DictionaryState) -> Bool {
        self.state(at: state.count) == state
    }

    /// The state in front of a segment that leads through here.
    func state(before header: SegmentHeader) -> DictionaryState {
        header.definitionCount == 0 ? header.dictionary : state(at: header.definitionCountBefore)
    }

    /// The last state with no more names than that.
    private func state(at count: UInt32) -> DictionaryState {
        var range = states.startIndex..<states.endIndex
        while range.count > 1 {
            let middle = range.lowerBound + range.count / 2
            range =
                states[middle].count <= count
                ? middle..<range.upperBound : range.lowerBound..<middle
        }
        return states[range.lowerBound]
    }

    /// Follows the definitions back from `state` to one that is known here, and takes over what
    /// lies between; where the chains part (a fork), what is known of the other branch is dropped.
    func extended(
        to state: DictionaryState, of stream: StreamID, _ database: Database,
        _ hasher: any ContentHasher
    ) throws(StoreError) -> DictionaryCache {
        var rows: [DefinitionRow] = []
        var cursor = state
        while !leads(through: cursor) {
            guard let row = try SegmentLog.definitions(database, of: stream, leadingTo: cursor)
            else {
                throw .corrupt(
                    place: "\(database.place), the dictionary of stream \(stream)",
                    detail: "the definitions up to \(cursor.count) are missing")
            }
            rows.append(row)
            cursor = row.before
        }
        var extended = self
        extended.names.removeLast(names.count - Int(cursor.count))
        extended.states.removeAll { $0.count > cursor.count }
        for row in rows.reversed() {
            extended.names += try row.names(hasher)
            extended.states.append(row.after)
        }
        return extended
    }
}

extension Segment {
    /// The events as the merge takes them: none of a hub's own stream; and where the segment's
    /// definitions cannot be read, none of its events has an effect, not even one that uses older
    /// names only.
    func effectiveEvents(
        of stream: StreamRow, name: (UInt32) -> Definition?
    ) -> [ReadEvent] {
        if stream.genesis.writer == .hub { return [] }
        guard header.definitionCount > 0 else { return events(name: name) }
        do throws(WireError) { _ = try definitions() } catch {
            return header.sequences.map { .poisoned(sequence: $0, error) }
        }
        return events(name: name)
    }
}
