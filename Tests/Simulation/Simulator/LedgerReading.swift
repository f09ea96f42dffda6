import LedgerCore
import SyncProtocol

/// What a log says, read by other code than the folds': the production codec takes segments apart,
/// and everything else is done here, plainly.
struct LedgerReading {
    struct ReadTransaction {
        let number: Int
        let place: StreamPlace
        let time: HybridTimestamp
        let postings: [Posting]
    }

    private(set) var transactions: [ReadTransaction] = []
    private(set) var flows: [String: Flow] = [:]
    private(set) var eventCount: UInt64 = 0
    private(set) var withoutEffect: UInt64 = 0
    /// Events that cannot be read, or are of a kind that is not known.
    private(set) var unsound: Set<LoggedEvent> = []
    /// What is wrong with the log itself.
    private(set) var fault: (Invariant, String)?

    private var namesBehind: [Hash256: [Definition]] = [:]
    private var timeBehind: [Hash256: HybridTimestamp] = [:]

    /// - Parameters:
    ///   - log: in any order: what was given up as lost and came late stands behind its children.
    ///   - gapNames: those in front of a segment whose parent is lost.
    init(
        _ log: some Collection<SealedSegment>, gapNames: (SealedSegment) -> [Definition?]
    ) {
        let children = Dictionary(grouping: log, by: \.segment.header.previous)
        let held = Set(log.map(\.hash))
        var waiting = log.filter { !held.contains($0.segment.header.previous) }
        for sealed in waiting where sealed.segment.header.definitionCountBefore > 0 {
            namesBehind[sealed.segment.header.previous] = gapNames(sealed).compactMap { $0 }
        }
        while let sealed = waiting.popLast() {
            read(sealed, siblings: children[sealed.segment.header.previous]?.count ?? 1)
            waiting += children[sealed.hash] ?? []
        }
    }

    private mutating func read(_ sealed: SealedSegment, siblings: Int) {
        let segment = sealed.segment
        let previous = segment.header.previous
        // The chain's rule, written down once more.
        if ToyHasher().sha256(previous.bytes, segment.bytes) != sealed.hash {
            fault = (
                .chains, "segment \(segment.header.sequences) has not the hash that it is kept by"
            )
        }
        var names = namesBehind[previous] ?? []
        if siblings == 1 { namesBehind[previous] = nil }
        if let definitions = try? segment.definitions() { names += definitions }
        let before = timeBehind[previous] ?? HybridTimestamp(rawValue: 0)
        var latest = before
        for event in segment.events(name: { $0 < names.count ? names[Int($0)] : nil }) {
            eventCount += 1
            guard case .event(let event) = event else {
                withoutEffect += 1
                unsound.insert(LoggedEvent(segment: sealed.hash, sequence: event.sequence))
                continue
            }
            if event.time <= latest {
                fault = (.timesGrow, "event \(event.sequence) of \(segment.header.stream)")
            }
            latest = event.time
            take(event, of: segment.header.stream)
        }
        namesBehind[sealed.hash] = names
        timeBehind[sealed.hash] = latest
    }

    private mutating func take(_ event: Event, of stream: StreamTag) {
        let postings = event.transaction.postings
        for posting in postings {
            let units = Int128(posting.amount.units)
            flows[LedgerReading.key(posting.source, posting.asset), default: Flow()].output += units
            flows[LedgerReading.key(posting.destination, posting.asset), default: Flow()].input +=
                units
        }
        let number = event.transaction.reference.flatMap { Int($0.dropFirst()) }
        transactions.append(
            ReadTransaction(
                number: number ?? -1,
                place: StreamPlace(stream: stream, sequence: event.sequence), time: event.time,
                postings: postings))
    }

    static func key(_ account: AccountAddress, _ asset: Asset) -> String {
        "\(account) \(asset)"
    }
}
