import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// Brings the folds from their checkpoint to the end of the log.
struct Replay {
    private var balances: Balances
    private var position: Int64
    private var transactions: Int64
    private var definitions: [Definition]
    private var state = DictionaryState.empty
    private var keys: [IdempotencyKey: KeyRecord] = [:]
    private var head: ChainPoint
    private var latest = HybridTimestamp(rawValue: 0)

    init(_ stream: StreamRow, _ database: Database) throws {
        let checkpoint = try FoldCheckpoint.load(database)
        balances = checkpoint?.balances ?? Balances()
        position = checkpoint?.position ?? 0
        transactions = checkpoint?.transactions ?? 0
        definitions = []
        for row in try SegmentLog.definitions(database, of: stream.id) {
            definitions += try row.definitions()
        }
        head = ChainPoint(
            sequence: stream.pruned?.through ?? 0, hash: stream.pruned?.hash ?? stream.genesisHash)
        guard let last = try SegmentLog.head(database, of: stream.id) else { return }
        head = last.end
        state = last.segment.header.dictionary
        latest = lastTime(of: last.segment)
    }

    mutating func run(_ database: Database) throws {
        while true {
            let segments = try SegmentLog.segments(database, after: position)
            guard let last = segments.last else { return }
            for stored in segments { apply(stored.segment) }
            position = last.position
        }
    }

    func origin(_ stream: StreamRow) -> AdmissionOrigin {
        var dictionary = StreamDictionary()
        for definition in definitions { dictionary.restore(definition) }
        let place = SegmentBuilder.Place(
            stream: stream.tag, firstSequence: head.sequence + 1, previous: head.hash,
            seen: .nothing,
            dictionary: state)
        return AdmissionOrigin(
            place: place, dictionary: dictionary, balances: balances, latest: latest, keys: keys,
            transactions: transactions)
    }

    private mutating func apply(_ segment: Segment) {
        for case .event(let event) in segment.events(name: name) {
            for posting in event.transaction.postings {
                balances.apply(
                    source: balances.intern(posting.source),
                    destination: balances.intern(posting.destination),
                    asset: balances.intern(posting.asset), units: posting.amount.units)
            }
            transactions += 1
            if let keyed = event.keyed {
                keys[keyed.key] = KeyRecord(
                    sequence: event.sequence, digest: keyed.digest, time: event.time)
            }
        }
    }

    private func lastTime(of segment: Segment) -> HybridTimestamp {
        let times = segment.events(name: name).map { read in
            if case .event(let event) = read { event.time } else { segment.header.base }
        }
        return times.max() ?? segment.header.base
    }

    private func name(_ number: UInt32) -> Definition? {
        number < definitions.count ? definitions[Int(number)] : nil
    }
}
