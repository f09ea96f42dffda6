import LedgerCore
import SyncProtocol

/// Names that are had apart from the segments that defined them.
package struct BranchNames: Hashable, Sendable {
    /// All names from the first on lead to this state.
    package let state: DictionaryState
    package let definitions: [Definition]
    package let bytes: [UInt8]

    package init(state: DictionaryState, definitions: [Definition], bytes: [UInt8]) {
        self.state = state
        self.definitions = definitions
        self.bytes = bytes
    }
}

/// Names that were asked for, to go on behind a gap.
struct MissingNames: Hashable {
    /// What waits for them: its names are checked with them.
    let next: SealedSegment
    var found: [Definition] = []
    var askAt: SteadyTime?
}

/// Gaps that nobody can fill: the stream goes on behind them, and takes what comes late.
extension StreamSession {
    /// The agent cannot read these of its own events any more.
    package mutating func said(_ message: Unreadable, _ frame: Frame, now: ClockReading) -> [Action]
    {
        guard let open, open.session == frame.session else { return [.drop(.notInSession)] }
        guard frame.isSigned(by: genesis.publicKey, hasher, verifier) else {
            return [.drop(.badSignature)]
        }
        guard questions.count < limits.lookUpsWaitingMax else { return [.drop(.tooEarly)] }
        if !open.unreadable.contains(message) { questions.append(.unreadable(message)) }
        var actions: [Action] = []
        settle(&actions)
        return actions
    }

    /// Finds out whether what is missing behind the end of the agent's chain can come from nobody, and
    /// goes on behind it.
    mutating func loseGap(_ actions: inout [Action]) {
        while let gap = hopelessGap() {
            lostGaps.append(gap)
            open?.reached = gap.end
            // Once said: a fork behind it makes it unknown again where the agent's chain is.
            open?.lacksPruned = false
            open?.owesAck = true
            // It is acknowledged when the loss is written.
            owesRecord = true
            actions += [.lose(gap), .persistRecord]
            let waiting = early.take(childrenOf: gap.resumesBehind)
            for child in waiting { place([child], &actions) }
        }
    }

    /// What is missing behind the end of the agent's own chain, and neither here nor there any more.
    private func hopelessGap() -> HubFact.LostGap? {
        guard let open, let reached = base(open) else { return nil }
        for next in nextPlaces(open) where next.sequence > reached.sequence {
            let missing = reached.sequence + 1...next.sequence
            guard isHopeless(missing, open) else { continue }
            let gap = HubFact.LostGap(
                stream: stream, sequences: missing, before: reached.hash,
                resumesBehind: next.hash,
                cause: missing.upperBound < open.oldestRetained ? .pruned : .unreadable)
            if !lostGaps.contains(where: gap.isAt) { return gap }
        }
        return nil
    }

    /// The end of what is here of the agent's chain, as far as that can be known. Of a closed stream
    /// with nothing that the agent still has, it is the furthest that its chain may have gone through.
    private func base(_ open: Open) -> ChainPoint? {
        if let reached = open.reached { return reached }
        guard open.lacksPruned else { return nil }
        return tree.ends.map(\.point).filter { $0.sequence + 1 < open.oldestRetained }
            .max { $0.sequence < $1.sequence } ?? start
    }

    /// Where the agent's chain is known again: before the oldest event that it keeps, before what came
    /// early, and behind what it cannot read.
    private func nextPlaces(_ open: Open) -> [ChainPoint] {
        var places: [ChainPoint] = []
        if let hash = open.retainedBehind, open.oldestRetained > 1 {
            places.append(ChainPoint(sequence: open.oldestRetained - 1, hash: hash))
        }
        if !open.unreadable.isEmpty || open.oldestRetained > 1 {
            places += early.roots.map {
                ChainPoint(sequence: $0.firstSequence - 1, hash: $0.previous)
            }
        }
        places += open.unreadable.map(\.end)
        return places.sorted { $0.sequence < $1.sequence }
    }

    private func isHopeless(_ missing: ClosedRange<UInt64>, _ open: Open) -> Bool {
        var next = missing.lowerBound
        if next < open.oldestRetained { next = open.oldestRetained }
        let ordered = open.unreadable.map(\.sequences).sorted { $0.lowerBound < $1.lowerBound }
        for range in ordered where range.contains(next) {
            guard range.upperBound < UInt64.max else { return true }
            next = range.upperBound + 1
        }
        return next > missing.upperBound
    }

    /// What is missing here and pruned at the agent, and not yet given up: it has not been seen where
    /// the chain goes on. Nil where nothing is, and where no session is proved.
    package var lacking: ClosedRange<UInt64>? {
        guard let open, let reached = open.reached, reached.sequence + 1 < open.oldestRetained
        else { return nil }
        return reached.sequence + 1...open.oldestRetained - 1
    }

    // MARK: Known gaps

    /// Whether the event lies in a gap that was given up.
    func isLost(_ sequence: UInt64) -> Bool {
        lostGaps.contains { $0.sequences.contains(sequence) }
    }

    /// Whether a gap that was given up ends there.
    func isLost(_ end: ChainPoint) -> Bool { lostGaps.contains { $0.end == end } }

    /// The last event that was given up; 0 for none.
    var lostThrough: UInt64 { lostGaps.reduce(0) { max($0, $1.sequences.upperBound) } }

    /// The gap behind which the run goes on.
    func gap(before run: [SealedSegment]) -> HubFact.LostGap? {
        let header = run[0].segment.header
        return lostGaps.first {
            $0.resumesBehind == header.previous
                && $0.sequences.upperBound + 1 == header.firstSequence
        }
    }

    /// Whether the chain behind this segment is in the tree already, as that behind a gap.
    func joins(_ sealed: SealedSegment) -> Bool {
        guard !lostGaps.isEmpty, tree.merged.sequence > sealed.end.sequence else { return false }
        return lostGaps.contains { $0.end == sealed.end }
    }

    /// The end of a chain, with the gaps behind it that were given up and of which the agent has nothing.
    func accounted(for point: ChainPoint) -> ChainPoint {
        guard let open else { return point }
        var end = point
        while let gap = lostGaps.first(where: {
            $0.sequences.lowerBound == end.sequence + 1 && $0.before == end.hash
                && isHopeless($0.sequences, open)
        }) {
            end = gap.end
        }
        return end
    }

    /// Whether a gap that was given up lies before that place, and the agent, being another copy of the
    /// folder than the one that lacked it, still has some of it. What is behind the gap says nothing
    /// then of what is in it.
    func passesGap(_ place: ChainPoint, oldestRetained: UInt64) -> Bool {
        guard record.standing.isClosed else { return false }
        return lostGaps.contains { gap in
            gap.sequences.upperBound >= oldestRetained
                && gap.sequences.upperBound <= place.sequence
        }
    }

    /// Whether the tree has all of the agent's own chain up to this place, which is in it.
    func isReached(_ place: ChainPoint) -> Bool {
        guard let open, passesGap(place, oldestRetained: open.oldestRetained) else { return true }
        if isKnown(place, open) { return true }
        guard let reached = open.reached ?? base(open) else { return false }
        return place.sequence <= reached.sequence || place == accounted(for: reached)
    }

    /// Whether the welcome named it, although it is inside the tree.
    func isKnown(_ place: ChainPoint, _ open: Open) -> Bool {
        inside.contains { $0.point == place && $0.oldestRetained <= open.oldestRetained }
    }

    /// What lies in a gap and what lies behind it are looked for apart: of the one nothing follows for
    /// the other.
    func parts(of run: [SealedSegment]) -> [[SealedSegment]] {
        guard !lostGaps.isEmpty else { return [run] }
        var parts: [[SealedSegment]] = [[]]
        for sealed in run {
            parts[parts.count - 1].append(sealed)
            if lostGaps.contains(where: { $0.end == sealed.end }) { parts.append([]) }
        }
        return parts.filter { !$0.isEmpty }
    }

    // MARK: Going on

    /// Begins the branch behind a gap. Where names were defined in the gap, they are asked for first.
    mutating func resume(
        _ run: [SealedSegment], behind gap: HubFact.LostGap, _ actions: inout [Action]
    ) {
        guard tree.count < limits.branchesPerStreamMax else {
            return actions.append(.drop(.tooManyBranches))
        }
        // A chain goes on behind it already, of which this run is no part.
        if tree.merged.sequence > gap.sequences.upperBound {
            if open?.reached == gap.end { close(.forked, &actions) } else { fork(&actions) }
        }
        let before = tree.ends.first { $0.point.hash == gap.before }?.dictionary
        if let before, fits(run[0], behind: before) {
            return resume(run, behind: gap, names: before, &actions)
        }
        keep(run, &actions)
        guard run[0].segment.header.definitionCountBefore <= limits.definitionsPerStreamMax,
            open?.names == nil
        else { return }
        open?.names = MissingNames(next: run[0])
    }

    private mutating func resume(
        _ run: [SealedSegment], behind gap: HubFact.LostGap, names: DictionaryState,
        _ actions: inout [Action]
    ) {
        let branch = tree.begin(behind: BranchEnd(point: gap.end, dictionary: names))
        merge(run[...], branch, beginsBranch: true, &actions)
    }

    /// What waits behind another gap than the one whose names came.
    private mutating func resumeWaiting(_ actions: inout [Action]) {
        for root in early.roots
        where lostGaps.contains(where: { $0.resumesBehind == root.previous }) {
            for child in early.take(childrenOf: root.previous) { place([child], &actions) }
        }
    }

    /// Whether the segment's own names follow from these.
    private func fits(_ sealed: SealedSegment, behind names: DictionaryState) -> Bool {
        let header = sealed.segment.header
        guard names.count == header.definitionCountBefore else { return false }
        return names.advanced(
            by: Int(header.definitionCount), encoded: sealed.segment.definitionBytes, hasher)
            == header.dictionary
    }

    /// Asks for the names, and again when they do not come.
    mutating func missingNames(now: SteadyTime) -> Action? {
        guard let open, let missing = open.names, now >= missing.askAt ?? now else { return nil }
        let askAt = now.advanced(byMicroseconds: limits.needsRepeat)
        self.open?.names?.askAt = askAt
        self.open?.names?.found = []
        return .sendNeedsDefinitions(
            session: open.session,
            NeedsDefinitions(
                stream: stream, segment: missing.next.hash, first: 0,
                through: missing.next.segment.header.definitionCountBefore))
    }

    /// Names come that were asked for, in their order.
    package mutating func received(
        _ message: DefinitionsMessage, _ frame: Frame, now: ClockReading
    ) -> [Action] {
        guard let open, open.session == frame.session else { return [.drop(.notInSession)] }
        guard frame.isSigned(by: genesis.publicKey, hasher, verifier) else {
            return [.drop(.badSignature)]
        }
        guard var missing = open.names, message.segment == missing.next.hash,
            Int(message.first) == missing.found.count
        else { return [.drop(.badDictionary)] }
        missing.found += message.definitions
        let needed = Int(missing.next.segment.header.definitionCountBefore)
        guard missing.found.count <= needed else {
            self.open?.names?.found = []
            return [.drop(.badDictionary)]
        }
        self.open?.names = missing
        guard missing.found.count == needed else { return [] }
        self.open?.names = nil
        return goOn(behind: missing, now)
    }

    private mutating func goOn(behind missing: MissingNames, _ now: ClockReading) -> [Action] {
        let bytes = Definition.encoded(missing.found)
        let state = DictionaryState.empty.advanced(
            by: missing.found.count, encoded: bytes, hasher)
        guard fits(missing.next, behind: state), let gap = gap(before: [missing.next]) else {
            return [.drop(.badDictionary)]
        }
        var actions: [Action] = [
            .define(BranchNames(state: state, definitions: missing.found, bytes: bytes))
        ]
        var run = early.take(childrenOf: gap.resumesBehind)[...]
        if let first = run.first {
            for other in run.dropFirst() { questions.append(.run([other])) }
            run = [first]
            resume(Array(run), behind: gap, names: state, &actions)
        }
        resumeWaiting(&actions)
        acknowledge(&actions)
        settle(&actions)
        noteGap(now)
        return actions
    }
}

extension HubFact.LostGap {
    /// The place behind which the chain goes on.
    var end: ChainPoint { ChainPoint(sequence: sequences.upperBound, hash: resumesBehind) }
}
