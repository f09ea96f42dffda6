import LedgerCore
import SyncProtocol

/// The names of one stream as its segments define them: for each branch all of them, in order.
struct AuditNames {
    private struct Branch {
        /// By their numbers; nil for one that cannot be read.
        var names: [Definition?] = []
        /// What the dictionary has come through, the last is where it is.
        var states: [DictionaryState] = [.empty]

        /// The last state with no more names than that.
        func state(at count: UInt32) -> Int {
            var range = states.indices
            while range.count > 1 {
                let middle = range.lowerBound + range.count / 2
                let isBehind = states[middle].count > count
                range = isBehind ? range.lowerBound..<middle : middle..<range.upperBound
            }
            return range.lowerBound
        }
    }

    private var branches: [Branch] = [Branch()]

    /// The names that the segment's events are read with, its own among them.
    ///
    /// - Returns: nil where its definitions cannot be read: the fold sets all of its events aside, too.
    ///   They keep their places, so that those behind have their numbers.
    mutating func names(of segment: Segment, _ hasher: any ContentHasher) -> [Definition?]? {
        let header = segment.header
        guard let (branch, state) = parent(of: segment, hasher) else { return nil }
        guard header.definitionCount > 0 else {
            let all = branches[branch].names
            let count = Int(header.dictionary.count)
            return all.count == count ? all : Array(all.prefix(count))
        }
        let own = try? segment.definitions()
        let added = own ?? [Definition?](repeating: nil, count: Int(header.definitionCount))
        var index = branch
        if state != branches[branch].states.count - 1 {
            index = branches.count
            let old = branches[branch]
            branches.append(
                Branch(
                    names: Array(old.names.prefix(Int(header.definitionCountBefore))),
                    states: Array(old.states[...state])))
        }
        branches[index].names += added
        branches[index].states.append(header.dictionary)
        return own == nil ? nil : branches[index].names
    }

    /// The branch, and the place among its states, that the segment follows; after a fork several have
    /// the same number of names.
    private func parent(
        of segment: Segment, _ hasher: any ContentHasher
    ) -> (branch: Int, state: Int)? {
        let header = segment.header
        for (index, branch) in branches.enumerated() {
            let place = branch.state(at: header.definitionCountBefore)
            let before = branch.states[place]
            guard before.count == header.definitionCountBefore else { continue }
            let isOnly = branches.count == 1 && place == branch.states.count - 1
            if isOnly { return (index, place) }
            let after = before.advanced(
                by: Int(header.definitionCount), encoded: segment.definitionBytes, hasher)
            if after == header.dictionary { return (index, place) }
        }
        return nil
    }
}
