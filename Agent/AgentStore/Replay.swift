import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// Brings the folds from their checkpoint to the end of the log, whichever streams its segments are
/// of.
struct Replay {
    private var balances: Balances
    private var position: Int64
    private var transactions: Int64
    /// Of the streams that were met.
    private var names: [StreamID: [Definition]] = [:]
    private var keys: [IdempotencyKey: KeyRecord] = [:]
    private let writing: StreamRow
    /// The end of the stream that is written.
    private var head: ChainPoint
    private var state = DictionaryState.empty
    private var latest = HybridTimestamp(rawValue: 0)

    init(_ writing: StreamRow, _ database: Database) throws {
        let checkpoint = try FoldCheckpoint.load(database)
        balances = checkpoint?.balances ?? Balances()
        position = checkpoint?.position ?? 0
        transactions = checkpoint?.transactions ?? 0
        self.writing = writing
        head = ChainPoint(
            sequence: writing.pruned?.through ?? 0,
            hash: writing.pruned?.hash ?? writing.genesisHash)
        try read(writing.id, database)
        if let last = try SegmentLog.head(database, of: writing.id) {
            head = last.end
            state = last.segment.header.dictionary
        }
        // Times grow along the log, from stream to stream.
        let end = try SegmentLog.segments(database, before: .max, limit: ReadLimit(segments: 1))
        if let last = end.first {
            try read(last.streamID, database)
            latest = lastTime(of: last)
        }
    }

    private mutating func read(_ stream: StreamID, _ database: Database) throws {
        guard names[stream] == nil else { return }
        var definitions: [Definition] = []
        for row in try SegmentLog.definitions(database, of: stream) {
            definitions += try row.definitions()
        }
        names[stream] = definitions
    }

    mutating func run(_ database: Database) throws {
        while true {
            let segments = try SegmentLog.segments(database, after: position)
            guard let last = segments.last else { return }
            for stored in segments {
                try read(stored.streamID, database)
                apply(stored)
            }
            position = last.position
        }
    }

    func origin() -> AdmissionOrigin {
        var dictionary = StreamDictionary()
        for definition in names[writing.id] ?? [] { dictionary.restore(definition) }
        let place = SegmentBuilder.Place(
            stream: writing.tag, firstSequence: head.sequence + 1, previous: head.hash,
            seen: .nothing,
            dictionary: state)
        return AdmissionOrigin(
            place: place, dictionary: dictionary, balances: balances, latest: latest, keys: keys,
            transactions: transactions)
    }

    private mutating func apply(_ stored: StoredSegment) {
        let segment = stored.segment
        let names = names[stored.streamID] ?? []
        for case .event(let event) in segment.events(name: { Replay.name($0, names) }) {
            for posting in event.transaction.postings {
                balances.apply(
                    source: balances.intern(posting.source),
                    destination: balances.intern(posting.destination),
                    asset: balances.intern(posting.asset), units: posting.amount.units)
            }
            transactions += 1
            if let keyed = event.keyed {
                let place = EventPlace(stream: segment.header.stream, sequence: event.sequence)
                keys[keyed.key] = KeyRecord(place: place, digest: keyed.digest, time: event.time)
            }
        }
    }

    private func lastTime(of stored: StoredSegment) -> HybridTimestamp {
        let segment = stored.segment
        let names = names[stored.streamID] ?? []
        let times = segment.events(name: { Replay.name($0, names) }).map { read in
            if case .event(let event) = read { event.time } else { segment.header.base }
        }
        return times.max() ?? segment.header.base
    }

    private static func name(_ number: UInt32, _ names: [Definition]) -> Definition? {
        number < names.count ? names[Int(number)] : nil
    }
}
