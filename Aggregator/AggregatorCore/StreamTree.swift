import LedgerCore
import SyncProtocol

/// Where a chain of a stream's segments ends, and how far its names have come there.
package struct BranchEnd: Hashable, Sendable {
    package var point: ChainPoint
    package var dictionary: DictionaryState

    package init(point: ChainPoint, dictionary: DictionaryState) {
        self.point = point
        self.dictionary = dictionary
    }
}

/// The tree of a stream's segments, as far as new ones need it: the ends of its branches.
///
/// **Overview.** A stream has one writer and so one branch, until somebody goes on from a copy of its
/// folder. What continues an end is told by one comparison; whether anything else is in the tree, and
/// where, is the store's knowledge, which the caller asks for.
///
/// **Invariants.** Every segment of the tree lies on the way to one of the ends; an end is the parent
/// of no segment of the tree; `committed` of a branch never lies behind its `merged`.
struct StreamTree: Hashable, Sendable {
    private struct Branch: Hashable, Sendable {
        var merged: BranchEnd
        /// Nil for a branch that the store does not have yet.
        var committed: ChainPoint?
    }

    /// Where a run of segments, each behind the one before it, belongs.
    enum Placement: Equatable {
        /// Those from `first` on continue a branch; the ones before are in the tree.
        case continues(branch: Int, first: Int)
        /// All of it is in the tree, and ends with a branch.
        case known
        /// What it names as the one before it is not in the tree. Where `isSecondChain`, the tree has
        /// another segment with that event: there are two chains.
        case early(isSecondChain: Bool)
        /// It lies, or begins, somewhere inside the tree, or beside it.
        case unknown
    }

    private var branches: [Branch]
    /// Whether something was merged that the store has not made durable.
    private(set) var hasUncommitted = false

    /// - Precondition: at least one end; an empty stream's is its genesis.
    init(_ ends: [BranchEnd]) {
        precondition(!ends.isEmpty, "a stream's tree has an end")
        branches = ends.map { Branch(merged: $0, committed: $0.point) }
    }

    var count: Int { branches.count }

    /// The end of the branch that reaches furthest.
    var merged: ChainPoint {
        branches.dropFirst().reduce(branches[0].merged.point) {
            $1.merged.point.sequence > $0.sequence ? $1.merged.point : $0
        }
    }

    var ends: [BranchEnd] { branches.map(\.merged) }

    /// The ends that the store has made durable.
    var committed: [ChainPoint] { branches.compactMap(\.committed) }

    func dictionary(of branch: Int) -> DictionaryState { branches[branch].merged.dictionary }

    /// Whether another branch ends with the same names: what one of them adds is not the other's.
    func sharesNames(_ branch: Int) -> Bool {
        guard branches.count > 1 else { return false }
        let own = branches[branch].merged.dictionary
        return branches.indices.contains { $0 != branch && branches[$0].merged.dictionary == own }
    }

    func ends(with point: ChainPoint) -> Bool {
        branches.contains { $0.merged.point == point }
    }

    // MARK: Placing

    /// - Precondition: not empty.
    func placement(of run: [SealedSegment]) -> Placement {
        let first = run[0].segment.header.firstSequence
        for (index, branch) in branches.enumerated() {
            let end = branch.merged.point
            guard first <= end.sequence + 1 else { continue }
            if let next = run.firstIndex(where: { $0.segment.header.firstSequence > end.sequence })
            {
                let header = run[next].segment.header
                if header.firstSequence == end.sequence + 1, header.previous == end.hash {
                    return .continues(branch: index, first: next)
                }
            } else if run[run.count - 1].end == end {
                return .known
            }
        }
        // The tree has a segment behind each of its segments but the ends.
        let highest = merged.sequence
        return first > highest ? .early(isSecondChain: first == highest + 1) : .unknown
    }

    // MARK: Growing

    mutating func advance(_ branch: Int, to end: BranchEnd) {
        precondition(
            end.point.sequence > branches[branch].merged.point.sequence,
            "a branch only grows: \(branches[branch].merged.point.sequence) to \(end.point.sequence)"
        )
        branches[branch].merged = end
        hasUncommitted = true
    }

    /// A branch begins behind a segment that the tree has.
    ///
    /// - Returns: the branch.
    mutating func begin(behind end: BranchEnd) -> Int {
        branches.append(Branch(merged: end, committed: nil))
        return branches.count - 1
    }

    /// The branch has run into another one, which goes on from there.
    mutating func remove(_ branch: Int) {
        guard branches.count > 1 else { return }
        branches.remove(at: branch)
    }

    /// All that was merged is durable.
    mutating func commit() {
        guard hasUncommitted else { return }
        hasUncommitted = false
        for index in branches.indices { branches[index].committed = branches[index].merged.point }
    }
}
