import LedgerCore
import SyncProtocol

/// The end of the agent's own durable chain, kept in memory: what its events behind a place add up
/// to.
///
/// **Overview.** An account snapshot includes the agent's events through some place; the ones behind
/// it have to be added. They are few, for the aggregator is told of them within moments, so their
/// segments are kept, and read only when a snapshot asks.
///
/// **Implementation.** The sums of the last question are kept with the range that they cover, and
/// moved along with the places asked for: an event is read at most twice.
///
/// **Invariants.** The segments are consecutive and end at the head; they hold every event behind
/// `floor`; their bytes stay within twice the limit.
package struct OwnTail: Sendable {
    package struct Sums: Hashable, Sendable {
        package var input: Int128
        package var output: Int128

        package init(input: Int128 = 0, output: Int128 = 0) {
            self.input = input
            self.output = output
        }
    }

    /// An account and an asset by the stream's numbers.
    private struct Cell: Hashable {
        let account: UInt32
        let asset: UInt32
    }

    /// What a kept segment costs beside its bytes.
    private static let segmentOverhead = 256

    private var segments: [Segment] = []
    private var byteCount = 0
    private let byteCountMax: Int
    /// Events behind this one are all here.
    package private(set) var floor: UInt64
    package private(set) var head: UInt64
    private var sums: [Cell: Sums] = [:]
    /// The sums cover the events behind `from`, through `through`.
    private var from: UInt64
    private var through: UInt64
    private var batch = PostingBatch()

    /// - Parameter head: the last event of the chain, behind which the tail begins.
    package init(head: UInt64, byteCountMax: Int) {
        floor = head
        self.head = head
        self.byteCountMax = byteCountMax
        from = head
        through = head
    }

    /// - Precondition: the segment continues the chain.
    package mutating func append(_ segment: Segment) {
        precondition(
            segment.header.firstSequence == head + 1,
            "event \(segment.header.firstSequence) does not follow \(head)")
        segments.append(segment)
        head = segment.header.lastSequence
        byteCount += OwnTail.size(segment)
        // Seldom, and then half of it: dropping the first of an array moves all the others.
        if byteCount > 2 * byteCountMax { shorten() }
    }

    private static func size(_ segment: Segment) -> Int {
        segment.bytes.count + segmentOverhead
    }

    private mutating func shorten() {
        var count = 0
        while byteCount > byteCountMax, count < segments.count {
            byteCount -= OwnTail.size(segments[count])
            floor = segments[count].header.lastSequence
            count += 1
        }
        segments.removeFirst(count)
    }

    /// Makes `sums(of:in:)` answer for the events behind that one.
    ///
    /// - Parameter names: of the stream.
    /// - Returns: false where some of them are not here any more, or no segment ends there.
    package mutating func move(to sequence: UInt64, _ names: StreamDictionary) -> Bool {
        guard sequence >= floor, sequence <= head, endsSegment(sequence) else { return false }
        let anew = head - sequence
        if sequence < from || from < floor || sequence >= through
            || anew <= (sequence - from) + (head - through)
        {
            sums.removeAll(keepingCapacity: true)
            through = sequence
        } else {
            add(behind: from, through: sequence, sign: -1, names)
        }
        from = sequence
        add(behind: through, through: head, sign: 1, names)
        through = head
        return true
    }

    private func endsSegment(_ sequence: UInt64) -> Bool {
        let index = index(behind: sequence)
        return index == segments.count || segments[index].header.firstSequence == sequence + 1
    }

    /// The first segment that has events behind this one.
    private func index(behind sequence: UInt64) -> Int {
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].header.lastSequence <= sequence {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private mutating func add(
        behind first: UInt64, through last: UInt64, sign: Int128, _ names: StreamDictionary
    ) {
        for index in index(behind: first)..<segments.count {
            let header = segments[index].header
            guard header.lastSequence <= last else { return }
            batch.read(segments[index])
            let known = names.definitions.prefix(Int(header.dictionary.count))
            for entry in soundEntries(known) {
                let units = sign * Int128(entry.units)
                sums[Cell(account: entry.source, asset: entry.asset), default: Sums()].output +=
                    units
                sums[Cell(account: entry.destination, asset: entry.asset), default: Sums()].input +=
                    units
            }
        }
    }

    /// What moves money: no event with a number that has no name, and nothing of its group. The hub's
    /// sums, which these are taken from, have none of it either.
    private func soundEntries(_ names: ArraySlice<Definition>) -> [PostingBatch.Entry] {
        var sound: [PostingBatch.Entry] = []
        sound.reserveCapacity(batch.entries.count)
        var rest = batch.items[...]
        while let end = rest.firstIndex(where: { !$0.continuesGroup }) {
            let group = rest[...end]
            rest = rest[(end + 1)...]
            guard group.allSatisfy({ isSound($0, names) }) else { continue }
            for item in group { sound += batch.entries[item.range] }
        }
        return sound
    }

    private func isSound(_ item: PostingBatch.Item, _ names: ArraySlice<Definition>) -> Bool {
        let name = { (number: UInt32) in
            number < names.count ? names[names.startIndex + Int(number)] : nil
        }
        if item.scope != PostingBatch.Item.noScope {
            guard case .text? = name(item.scope) else { return false }
        }
        return batch.entries[item.range].allSatisfy { entry in
            if case .account? = name(entry.source), case .account? = name(entry.destination),
                case .asset? = name(entry.asset)
            {
                true
            } else {
                false
            }
        }
    }

    /// By the stream's numbers of the names.
    package func sums(of account: UInt32, in asset: UInt32) -> Sums {
        sums[Cell(account: account, asset: asset)] ?? Sums()
    }
}
