import GRDB
import LedgerCore
import SyncProtocol

/// Reads a log through a connection of the caller's, the oldest segment first, with all events in full: for a copy,
/// which is opened without the durability and the migrations of a `LogDatabase`.
///
/// Each call gives the segments behind those of the call before, and none at the end. Memory is bounded by the limit
/// and by the dictionaries of the streams.
package struct LogScan {
    private var streams: [StreamID: StreamRow] = [:]
    private var dictionaries: [StreamID: DictionaryCache] = [:]
    private var position: Int64 = 0

    private let hasher: any ContentHasher

    /// - Parameter hasher: tells names that their writer spoiled from those that the disk did.
    package init(hasher: any ContentHasher) {
        self.hasher = hasher
    }

    /// - Throws: `StoreError.corrupt` naming the segment that cannot be read.
    package mutating func next(
        _ database: Database, limit: ReadLimit = .init()
    ) throws(StoreError) -> [DecodedSegment] {
        var decoded: [DecodedSegment] = []
        let found = try SegmentLog.segments(database, after: position, limit: limit)
        guard let last = found.last else { return [] }
        let repeated = try SegmentLog.repeatedSegments(
            database, in: position + 1...last.position)
        for stored in found {
            let stream = try stream(stored.streamID, database)
            let needed = stored.segment.header.dictionary
            let known = dictionaries[stream.id] ?? DictionaryCache()
            let names =
                known.leads(through: needed)
                ? known : try known.extended(to: needed, of: stream.id, database, hasher)
            dictionaries[stream.id] = names
            decoded.append(
                DecodedSegment(
                    stream: stream, stored: stored,
                    events: stored.segment.effectiveEvents(of: stream, name: names.name),
                    before: names.state(before: stored.segment.header),
                    isRepeated: repeated.contains(stored.position))
            )
            position = stored.position
        }
        return decoded
    }

    private mutating func stream(
        _ id: StreamID, _ database: Database
    ) throws(StoreError) -> StreamRow {
        if let row = streams[id] { return row }
        for row in try SegmentLog.streams(database) { streams[row.id] = row }
        guard let row = streams[id] else {
            throw .corrupt(
                place: database.place,
                detail: "segments of stream \(id) are there, but not the stream")
        }
        return row
    }
}
