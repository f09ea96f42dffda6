import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import SyncProtocol

/// Recomputes every account's sums from the log, with none of the fold's code, and compares them
/// with the fold.
///
/// It keeps its own sums and reads only what the log has gained since it last looked. It takes its
/// names from the segments themselves, not from the table of definitions that the fold starts from.
struct Audit {
    /// An account with an asset, by the audit's own numbers.
    private struct Slot: Hashable {
        let account: String
        let asset: String
    }

    private struct Sums {
        var input: Int128 = 0
        var output: Int128 = 0
    }

    private(set) var position: Int64 = 0
    private var sums: [Slot: Sums] = [:]
    private var names: [StreamID: AuditNames] = [:]
    /// Events without effect, by their segment: what the hub's events say, read in their order.
    private var quarantined: [Hash256: [ClosedRange<UInt64>]] = [:]
    private let hasher: any ContentHasher

    init(hasher: any ContentHasher) {
        self.hasher = hasher
    }

    /// Reads the log up to a position, for as long as there is time.
    ///
    /// - Returns: whether it got there.
    mutating func advance(
        to target: Int64, in store: LedgerStore, until isLate: () -> Bool
    ) throws(StoreError) -> Bool {
        while position < target {
            if isLate() { return false }
            let segments = try store.segments(after: position)
            for stored in segments where stored.position <= target {
                try add(stored, in: store)
                position = stored.position
            }
            if segments.isEmpty {
                throw .corrupt(place: "segment \(position + 1)", detail: "the log ends before it")
            }
        }
        return true
    }

    private mutating func add(
        _ stored: StoredSegment, in store: LedgerStore
    ) throws(StoreError) {
        let segment = stored.segment
        if store.isHub(segment.header.stream) { return try heed(segment, in: store) }
        guard let known = names[stored.streamID, default: AuditNames()].names(of: segment, hasher)
        else { return }
        let withoutEffect = quarantined[stored.hash] ?? []
        for case .event(let event) in segment.events(name: {
            $0 < known.count ? known[Int($0)] : nil
        }) where !withoutEffect.contains(where: { $0.contains(event.sequence) }) {
            add(event)
        }
    }

    private mutating func add(_ event: Event) {
        for posting in event.transaction.postings {
            let asset = posting.asset.description
            let amount = Int128(posting.amount.units)
            sums[Slot(account: posting.source.description, asset: asset), default: Sums()]
                .output += amount
            sums[Slot(account: posting.destination.description, asset: asset), default: Sums()]
                .input += amount
        }
    }

    private mutating func heed(_ segment: Segment, in store: LedgerStore) throws(StoreError) {
        for case .event(let event) in segment.hubEvents() {
            switch event.content.fact {
            case .quarantined(let span, _):
                quarantined[span.segment, default: []].append(span.sequences)
            case .released(let span): try release(span, in: store)
            default: break
            }
        }
    }

    private mutating func release(_ span: EventSpan, in store: LedgerStore) throws(StoreError) {
        let before = quarantined[span.segment] ?? []
        quarantined[span.segment] = before.flatMap { $0.subtracting(span.sequences) }
        // What was released before it came is counted when it comes.
        guard let segment = try store.segment(of: span),
            let logged = try store.position(of: span), logged <= position
        else { return }
        let known = try store.names(of: span.stream, leadingTo: segment.header.dictionary)
        for case .event(let event) in segment.events(name: {
            $0 < known.count ? known[Int($0)] : nil
        }) where span.sequences.contains(event.sequence) {
            if before.contains(where: { $0.contains(event.sequence) }) { add(event) }
        }
    }

    /// What differs between these sums and a fold of the same position.
    func compare(_ balances: Balances) -> AuditResult {
        var violations: [AuditResult.Violation] = []
        var unseen = sums
        for cell in balances.cells {
            let account = balances.address(of: cell.account)
            let asset = balances.asset(cell.asset)
            let found = unseen.removeValue(
                forKey: Slot(account: account.description, asset: asset.description))
            let expected = found ?? Sums()
            guard cell.input != expected.input || cell.output != expected.output else { continue }
            violations.append(
                AuditResult.Violation(
                    account: account, asset: asset, foldInput: cell.input, foldOutput: cell.output,
                    logInput: expected.input, logOutput: expected.output))
        }
        violations += unseen.compactMap { slot, sums in missing(slot, sums) }
        let kept = violations.sorted { $0.account.description < $1.account.description }
            .prefix(AuditResult.violationsMax)
        return AuditResult(violations: Array(kept), unbalanced: unbalanced())
    }

    /// An account that the log has and the fold has not.
    private func missing(_ slot: Slot, _ sums: Sums) -> AuditResult.Violation? {
        guard let account = try? AccountAddress(slot.account), let asset = try? Asset(slot.asset)
        else { return nil }
        return AuditResult.Violation(
            account: account, asset: asset, foldInput: 0, foldOutput: 0, logInput: sums.input,
            logOutput: sums.output)
    }

    private func unbalanced() -> [Asset] {
        var totals: [String: Int128] = [:]
        for (slot, sums) in sums { totals[slot.asset, default: 0] += sums.input - sums.output }
        return totals.filter { $0.value != 0 }.keys.sorted().compactMap { try? Asset($0) }
    }
}
