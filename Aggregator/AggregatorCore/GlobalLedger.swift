import LedgerCore
import SyncProtocol

/// The merged ledger: the fold over the segments of all streams, in whatever order they came.
///
/// **Overview.** Every stream numbers its names for itself, and after a fork each of its branches; the
/// ledger maps them to its own numbers once, when a segment defines them, and then applies postings
/// through array look-ups.
///
/// **Implementation.** A table of names is known by the state of the dictionary that it has come to.
/// A segment takes the table of its parent further; where another branch needs that one as well, a
/// copy. What a branch begins with is restored from the store.
///
/// **Invariants.** Only sums and counts: any order and batching of the same segments gives the same
/// state. An event whose numbers make no sense is set aside and moves nothing, and its group with
/// it; those behind it apply.
package struct GlobalLedger: Sendable {
    /// What a stream's number stands for here.
    private enum Name: Sendable {
        case account(Balances.AccountNumber)
        case asset(Balances.AssetNumber)
        case text
        /// Of a segment whose definitions cannot be read: it holds the place, so that those behind
        /// keep their numbers.
        case unreadable
    }

    package struct Counts: Hashable, Sendable {
        package var transactions: UInt64
        package var events: UInt64
        /// Events without effect: poisoned, or of a kind that this version does not know.
        package var setAside: UInt64

        package init(transactions: UInt64 = 0, events: UInt64 = 0, setAside: UInt64 = 0) {
            self.transactions = transactions
            self.events = events
            self.setAside = setAside
        }
    }

    /// A branch's names.
    private struct NameTable: Sendable {
        var state: DictionaryState
        var names: [Name]
    }

    package private(set) var balances: Balances
    package private(set) var counts: Counts
    /// Of each stream: one table, but after a fork.
    private var tables: [StreamTag: [NameTable]] = [:]
    private var batch = PostingBatch()

    package init(balances: Balances = Balances(), counts: Counts = Counts()) {
        self.balances = balances
        self.counts = counts
    }

    /// Whether the names are there that a branch of the stream begins with or goes on with.
    package func hasNames(of stream: StreamTag, leadingTo state: DictionaryState) -> Bool {
        state == .empty || tables[stream]?.contains { $0.state == state } == true
    }

    /// Takes over the names that the stream had defined on the way to that state.
    ///
    /// - Parameter definitions: nil for each that cannot be read.
    package mutating func restore(
        _ definitions: [Definition?], of stream: StreamTag, leadingTo state: DictionaryState
    ) {
        precondition(
            definitions.count == Int(state.count),
            "\(definitions.count) names do not lead to \(state.count)")
        guard !hasNames(of: stream, leadingTo: state) else { return }
        let names = definitions.map { name($0) }
        tables[stream, default: []].append(NameTable(state: state, names: names))
    }

    /// Applies a segment that continues its stream, or a branch of it.
    ///
    /// - Parameters:
    ///   - before: the names in front of it, which `hasNames`; nil for those of the only branch.
    ///   - keepsNames: whether another branch needs these, too.
    ///   - quarantined: events of the segment that are to have no effect, whatever they say.
    /// - Returns: the events that were set aside beside these.
    package mutating func merge(
        _ segment: Segment, behind before: DictionaryState? = nil, keepsNames: Bool = false,
        quarantined: [ClosedRange<UInt64>] = []
    ) -> [ReadEvent] {
        let header = segment.header
        counts.events += UInt64(header.count)
        let index = table(of: header.stream, at: before, keepsNames: keepsNames)
        let definitions: [Definition]
        do throws(WireError) { definitions = try segment.definitions() } catch {
            counts.setAside += UInt64(header.count)
            let unreadable = repeatElement(Name.unreadable, count: Int(header.definitionCount))
            tables[header.stream]?[index].names += unreadable
            tables[header.stream]?[index].state = header.dictionary
            return header.sequences.filter { !quarantined.contain($0) }
                .map { .poisoned(sequence: $0, error) }
        }
        if !definitions.isEmpty {
            let own = definitions.map { name($0) }
            tables[header.stream]?[index].names += own
            tables[header.stream]?[index].state = header.dictionary
        }
        batch.read(segment)
        var setAside = batch.setAside
        let streamNames = tables[header.stream]?[index].names ?? []
        if batch.hasGroups || !quarantined.isEmpty {
            applyGroups(streamNames, quarantined, &setAside)
        } else {
            for item in batch.items where !apply(item, streamNames) {
                setAside.append(.poisoned(sequence: item.sequence, GlobalLedger.unnamed))
            }
        }
        counts.setAside += UInt64(setAside.count)
        counts.transactions += UInt64(Int(header.count) - setAside.count)
        if !quarantined.isEmpty { setAside.removeAll { quarantined.contain($0.sequence) } }
        return setAside
    }

    /// Applies events that were set aside, all or none: they can be read now.
    ///
    /// - Parameters:
    ///   - names: all that the stream had defined with the segment; nil for each that cannot be read.
    /// - Returns: whether they could be applied.
    package mutating func release(
        _ sequences: ClosedRange<UInt64>, of segment: Segment, names definitions: [Definition?]
    ) -> Bool {
        guard (try? segment.definitions()) != nil else { return false }
        let names = definitions.map { name($0) }
        batch.read(segment)
        let items = batch.items.filter { sequences.contains($0.sequence) }
        let isWhole = items.count == sequences.count
        let cutsGroup =
            items.last?.continuesGroup == true
            || batch.items.contains {
                $0.sequence + 1 == sequences.lowerBound && $0.continuesGroup
            }
        guard isWhole, !cutsGroup, items.allSatisfy({ isSound($0, names) }) else { return false }
        for item in items { _ = apply(item, names) }
        counts.setAside -= UInt64(items.count)
        counts.transactions += UInt64(items.count)
        return true
    }

    /// The table that a segment takes further.
    private mutating func table(
        of stream: StreamTag, at before: DictionaryState?, keepsNames: Bool
    ) -> Int {
        let found = tables[stream] ?? []
        if let before {
            if let index = found.firstIndex(where: { $0.state == before }) {
                guard keepsNames else { return index }
                tables[stream]?.append(found[index])
                return found.count
            }
            precondition(before == .empty, "the names of stream \(stream) at \(before.count)")
        } else {
            precondition(found.count <= 1, "stream \(stream) has several branches")
            if found.count == 1 { return 0 }
        }
        tables[stream, default: []].append(NameTable(state: .empty, names: []))
        return found.count
    }

    private static let unnamed = WireError(
        .invalid(what: "a number without its definition"), at: 0)

    /// As for single items, but that a group applies all or none.
    private mutating func applyGroups(
        _ names: [Name], _ quarantined: [ClosedRange<UInt64>], _ setAside: inout [ReadEvent]
    ) {
        let items = batch.items
        var start = 0
        while start < items.count {
            var end = start
            while items[end].continuesGroup { end += 1 }
            let group = items[start...end]
            let culprits = Set(
                group.filter { !isSound($0, names) || quarantined.contain($0.sequence) }
                    .map(\.sequence))
            if let first = culprits.min() {
                let others = WireError(.brokenGroup(sequence: first), at: 0)
                setAside += group.map { item in
                    let isCulprit = culprits.contains(item.sequence)
                    return .poisoned(
                        sequence: item.sequence, isCulprit ? GlobalLedger.unnamed : others)
                }
            } else {
                for item in group { _ = apply(item, names) }
            }
            start = end + 1
        }
    }

    private func isSound(_ item: PostingBatch.Item, _ names: [Name]) -> Bool {
        for index in item.range where !isSound(batch.entries[index], names) { return false }
        guard item.scope != PostingBatch.Item.noScope else { return true }
        guard item.scope < names.count, case .text = names[Int(item.scope)] else { return false }
        return true
    }

    private mutating func apply(_ item: PostingBatch.Item, _ names: [Name]) -> Bool {
        guard isSound(item, names) else { return false }
        for index in item.range {
            let entry = batch.entries[index]
            guard case .account(let source) = names[Int(entry.source)],
                case .account(let destination) = names[Int(entry.destination)],
                case .asset(let asset) = names[Int(entry.asset)]
            else { preconditionFailure("the entry was found sound") }
            balances.apply(
                source: source, destination: destination, asset: asset, units: entry.units)
        }
        return true
    }

    private func isSound(_ entry: PostingBatch.Entry, _ names: [Name]) -> Bool {
        guard entry.source < names.count, entry.destination < names.count, entry.asset < names.count
        else {
            return false
        }
        if case .account = names[Int(entry.source)], case .account = names[Int(entry.destination)],
            case .asset = names[Int(entry.asset)]
        {
            return true
        }
        return false
    }

    private mutating func name(_ definition: Definition?) -> Name {
        switch definition {
        case nil: .unreadable
        case .account(let account): .account(balances.intern(account))
        case .asset(let asset): .asset(balances.intern(asset))
        case .text: .text
        }
    }

    /// The traces of the events of the segment that was merged last.
    package var tracesOfLast: [TraceContext] { batch.traces }

    /// The latest time of the events of the segment that was merged last.
    package var latestOfLast: HybridTimestamp { batch.latest }

    package mutating func takeChangedPages() -> [Int] {
        balances.takeChangedPages()
    }

    // MARK: Who uses what

    /// The accounts that a stream has named since it was looked at last.
    ///
    /// - Parameter read: how many names were looked at, of each of the stream's tables. After a fork
    ///   the names that two of them share are given twice.
    package func accounts(
        of stream: StreamTag, behind read: inout [Int]
    ) -> [Balances.AccountNumber] {
        guard let tables = tables[stream] else { return [] }
        var accounts: [Balances.AccountNumber] = []
        for (index, table) in tables.enumerated() {
            if index == read.count { read.append(0) }
            guard table.names.count > read[index] else { continue }
            for case .account(let number) in table.names[read[index]...] { accounts.append(number) }
            read[index] = table.names.count
        }
        return accounts
    }

    package mutating func takeChangedAccounts(atMost count: Int) -> [Balances.AccountNumber] {
        balances.takeChangedAccounts(atMost: count)
    }
}

extension [ClosedRange<UInt64>] {
    fileprivate func contain(_ sequence: UInt64) -> Bool {
        contains { $0.contains(sequence) }
    }
}
