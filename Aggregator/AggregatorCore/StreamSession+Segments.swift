import LedgerCore
import SyncProtocol

/// Where segments belong in the stream's tree.
extension StreamSession {
    /// Segments arrive. Those that continue a branch merge; those that came early wait; for the rest
    /// the store is asked.
    package mutating func received(
        _ message: SegmentsMessage, session: UInt64, signature: Signature?, now: ClockReading
    ) -> [Action] {
        guard record.standing.takesSegments else { return [.drop(.streamStopped)] }
        guard open?.session == session else { return [.drop(.notInSession)] }
        let segments: [SealedSegment]
        switch verified(message, session, signature) {
        case .success(let verified): segments = verified
        case .failure(let failure): return [.drop(failure.drop)]
        }
        var actions: [Action] = []
        for part in parts(of: segments) { place(part, &actions) }
        loseGap(&actions)
        acknowledge(&actions)
        settle(&actions)
        noteGap(now)
        return actions
    }

    /// The store's word on what was looked up; nil where it could not be read.
    package mutating func found(_ answer: LookUp.Answer?, now: ClockReading) -> [Action] {
        guard isAsking, !questions.isEmpty else { return [] }
        isAsking = false
        var actions: [Action] = []
        switch (questions.removeFirst(), answer) {
        case (_, nil): actions.append(.drop(.notLookedUp))
        case (.head(let head), let answer?):
            if answer.dictionary != nil { reach(head, behind: head) }
        case (.retained(let point), let answer?):
            if answer.dictionary != nil || isLost(point) {
                if let open { remember(point, open) }
                reach(accounted(for: point), behind: point)
            } else {
                open?.lacksPruned = true
            }
        case (.acknowledged, let answer?):
            if answer.dictionary == nil { return [.fallenBehind] }
        case (.unreadable(let lost), let answer?):
            if answer.dictionary != nil {
                reach(lost.end, behind: lost.behind)
            } else {
                let kept = (open?.unreadable ?? []) + [lost]
                let limit = limits.unreadableRangesMax
                open?.unreadable = kept.suffix(limit)
                let isNamed = open.map { isKnown(lost.behind, $0) } ?? false
                if isNamed || lost.behind == start || tree.ends(with: lost.behind)
                    || isLost(lost.behind)
                {
                    reach(accounted(for: lost.behind), behind: lost.behind)
                }
            }
        case (.run(let run), let answer?): place(run, answer, &actions)
        }
        loseGap(&actions)
        acknowledge(&actions)
        settle(&actions)
        noteGap(now)
        return actions
    }

    private struct Refusal: Error {
        let drop: Drop
    }

    /// Every segment whole, of this stream, chained to the one before it, and the last one signed
    /// for.
    private func verified(
        _ message: SegmentsMessage, _ session: UInt64, _ signature: Signature?
    ) -> Result<[SealedSegment], Refusal> {
        var segments: [SealedSegment] = []
        segments.reserveCapacity(message.segments.count)
        for bytes in message.segments {
            guard let segment = try? Segment(decoding: bytes) else {
                return .failure(Refusal(drop: .brokenSegment))
            }
            guard segment.header.stream == stream else {
                return .failure(Refusal(drop: .foreignStream))
            }
            if let before = segments.last, !before.end.precedes(segment) {
                return .failure(Refusal(drop: .brokenSegment))
            }
            segments.append(SealedSegment(segment: segment, hash: segment.hash(hasher)))
        }
        guard let first = segments.first, let last = segments.last, let signature else {
            return .failure(Refusal(drop: .badSignature))
        }
        let content = SegmentsMessage.signedContent(
            session: session, stream: stream, sentAt: message.sentAt, lastHash: last.hash)
        guard verifier.isValid(signature, for: content, by: genesis.publicKey) else {
            return .failure(Refusal(drop: .badSignature))
        }
        guard first.segment.header.firstSequence > 1 || start.precedes(first.segment) else {
            return .failure(Refusal(drop: .brokenSegment))
        }
        return .success(segments)
    }

    // MARK: Places

    mutating func place(_ run: [SealedSegment], _ actions: inout [Action]) {
        switch tree.placement(of: run) {
        case .continues(let branch, let first):
            if first > 0 { actions.append(.drop(.duplicate)) }
            merge(run[first...], branch, &actions)
        case .known: repeated(run, &actions)
        case .early(let isSecondChain):
            if let gap = gap(before: run) { return resume(run, behind: gap, &actions) }
            // Signed by the stream's key, next in number, behind another segment than ours.
            if isSecondChain { fork(&actions) }
            keep(run, &actions)
        case .unknown: ask(run, &actions)
        }
    }

    /// What the store says of a run that continues no branch.
    private mutating func place(
        _ run: [SealedSegment], _ answer: LookUp.Answer, _ actions: inout [Action]
    ) {
        let rest = run.dropFirst(answer.stored)
        guard let first = rest.first else { return repeated(run, &actions) }
        if answer.dictionary == nil {
            if let gap = gap(before: run) { return resume(run, behind: gap, &actions) }
            if isLost(first.segment.header.firstSequence - 1) { return keep(run, &actions) }
        }
        // Either it lies behind a segment that has another child, or beside a chain that has the same
        // numbers.
        fork(&actions)
        guard let dictionary = answer.dictionary else { return keep(run, &actions) }
        guard tree.count < limits.branchesPerStreamMax else {
            return actions.append(.drop(.tooManyBranches))
        }
        if answer.stored > 0 { actions.append(.drop(.duplicate)) }
        let header = first.segment.header
        let point = ChainPoint(sequence: header.firstSequence - 1, hash: header.previous)
        let branch = tree.begin(behind: BranchEnd(point: point, dictionary: dictionary))
        merge(rest, branch, beginsBranch: true, &actions)
    }

    /// The session's agent is on another branch than was thought.
    mutating func fork(_ actions: inout [Action]) {
        close(.forked, &actions)
        open?.reached = nil
    }

    /// The agent did not know that we have all of it: say so again.
    mutating func repeated(_ run: [SealedSegment], _ actions: inout [Action]) {
        actions.append(.drop(.duplicate))
        reach(run[run.count - 1].end, behind: run[0].start)
    }

    /// The tree has a part of the agent's own chain, or will with the next commit.
    mutating func reach(_ point: ChainPoint, behind start: ChainPoint) {
        guard isReached(start) else {
            let (beyond, limit) = (open?.beyond ?? [], limits.lookUpsWaitingMax)
            open?.beyond = (beyond + [Stretch(start: start, end: point)]).suffix(limit)
            return
        }
        open?.owesAck = true
        if point.sequence >= open?.reached?.sequence ?? 0 { open?.reached = point }
        let next = open?.beyond.firstIndex { $0.end > point && isReached($0.start) }
        guard let next, let stretch = open?.beyond.remove(at: next) else { return }
        reach(stretch.end, behind: stretch.start)
    }

    private mutating func ask(_ run: [SealedSegment], _ actions: inout [Action]) {
        guard questions.count < limits.lookUpsWaitingMax else {
            return actions.append(.drop(.tooEarly))
        }
        questions.append(.run(run))
    }

    /// Asks for the next run that waits for the store's word, unless it meanwhile belongs somewhere.
    mutating func settle(_ actions: inout [Action]) {
        while !isAsking, let question = questions.first {
            let lookUp: LookUp
            switch question {
            case .head(let point), .acknowledged(let point), .retained(let point):
                lookUp = LookUp(point)
            case .unreadable(let lost): lookUp = LookUp(lost.end)
            case .run(let run):
                if tree.placement(of: run) != .unknown {
                    questions.removeFirst()
                    place(run, &actions)
                    acknowledge(&actions)
                    continue
                }
                lookUp = LookUp(run)
            }
            // The store does not know of what is not durable.
            guard !tree.hasUncommitted else { return }
            isAsking = true
            actions.append(.lookUp(lookUp))
        }
    }

    // MARK: Merging

    /// Merges a run behind the end of a branch, and behind it what waited for it.
    mutating func merge(
        _ run: ArraySlice<SealedSegment>, _ branch: Int, beginsBranch: Bool = false,
        _ actions: inout [Action]
    ) {
        guard let start = run.first?.start else { return }
        let before = tree.dictionary(of: branch)
        let sharesNames = tree.sharesNames(branch)
        var merged: [SealedSegment] = []
        var next = run
        let highest = tree.merged.sequence
        while let sealed = next.first, advance(branch, by: sealed, &actions) {
            merged.append(sealed)
            next.removeFirst()
            // What is behind a gap that is filled at last has long been merged.
            if joins(sealed) { break }
            takeEarly(behind: sealed, into: &next)
        }
        guard let last = merged.last else {
            if beginsBranch { tree.remove(branch) }
            return
        }
        reach(last.end, behind: start)
        mergedLast = last.end
        let fresh = merged.firstIndex {
            let first = $0.segment.header.firstSequence
            return first > highest || isLost(first)
        }
        actions.append(
            .merge(
                SegmentRun(
                    before: before, segments: merged, beginsBranch: beginsBranch,
                    sharesNames: sharesNames, repeated: fresh ?? merged.count)))
        guard joins(last) else { return }
        tree.remove(branch)
        if !next.isEmpty { place(Array(next), &actions) }
    }

    /// What waited for a segment that merges now: one of its children goes on behind it, the others
    /// begin branches, for which the store must know it.
    private mutating func takeEarly(
        behind sealed: SealedSegment, into run: inout ArraySlice<SealedSegment>
    ) {
        guard !early.isEmpty else { return }
        for child in early.take(childrenOf: sealed.hash) {
            if run.isEmpty {
                run.append(child)
            } else if run.first != child {
                // Nothing bounds them but what may wait early.
                questions.append(.run([child]))
            }
        }
    }

    /// - Returns: false where the segment cannot be read behind that branch.
    private mutating func advance(
        _ branch: Int, by sealed: SealedSegment, _ actions: inout [Action]
    ) -> Bool {
        let header = sealed.segment.header
        let dictionary = tree.dictionary(of: branch)
        guard header.definitionCountBefore == dictionary.count else {
            let needs = NeedsDefinitions(
                stream: stream, segment: sealed.hash, first: dictionary.count,
                through: header.definitionCountBefore)
            if let open, needs.first < needs.through {
                actions.append(.sendNeedsDefinitions(session: open.session, needs))
            } else {
                actions.append(.drop(.badDictionary))
            }
            return false
        }
        let advanced = dictionary.advanced(
            by: Int(header.definitionCount), encoded: sealed.segment.definitionBytes, hasher)
        guard advanced == header.dictionary, advanced.count <= limits.definitionsPerStreamMax else {
            actions.append(.drop(.badDictionary))
            return false
        }
        if !passesAnnounced(sealed) { close(.forked, &actions) }
        tree.advance(branch, to: BranchEnd(point: sealed.end, dictionary: advanced))
        if sealed.end.sequence > record.announced.sequence { record.announced = sealed.end }
        return true
    }

    /// Whether the chain, with this segment, still passes through the head that the stream has
    /// announced. Segments are never cut anew, so one that spans the announced place without ending
    /// there is of another chain.
    private func passesAnnounced(_ sealed: SealedSegment) -> Bool {
        let header = sealed.segment.header
        guard header.sequences.contains(record.announced.sequence) else { return true }
        return sealed.end == record.announced
    }

    // MARK: What came early

    mutating func keep(_ run: [SealedSegment], _ actions: inout [Action]) {
        for sealed in run {
            // Signed by the stream's key, with the same parent and not the same: two writers.
            if early.hasSibling(of: sealed) { close(.forked, &actions) }
            switch early.keep(sealed) {
            case .kept: break
            case .duplicate: actions.append(.drop(.duplicate))
            case .full: return actions.append(.drop(.tooEarly))
            }
        }
    }

    /// A gap is asked for when it outlives the broker's reordering.
    mutating func noteGap(_ now: ClockReading) {
        guard open != nil, !early.isEmpty else {
            open?.gap = nil
            return
        }
        guard let missing = early.roots.first?.previous else { return }
        if let gap = open?.gap, gap.after == mergedLast, gap.missing == missing { return }
        let askAt = now.steady.advanced(byMicroseconds: limits.reorderWindow)
        open?.gap = Gap(after: mergedLast, missing: missing, foundAt: now, askAt: askAt)
    }

    /// Where the agent may be asked to go on: behind the end of its own chain, or where that is not
    /// known, of any that its chain may pass through.
    func needs(_ missing: Hash256) -> Needs {
        let ends = tree.ends.map(\.point)
        let first = early.roots.first?.firstSequence ?? .max
        let candidates: [ChainPoint]
        if let reached = open?.reached, ends.contains(reached) || ends.count == 1 {
            candidates = [reached]
        } else {
            let before = ends.filter { $0.sequence < first }.sorted { $0.sequence > $1.sequence }
            candidates = before.isEmpty ? [start] : Array(before.prefix(Needs.gapsMax))
        }
        return Needs(
            stream: stream, gaps: candidates.map { Needs.Gap(after: $0, missing: missing) })
    }
}

extension StreamSession {
    /// What lies between here and what came early, as far as it has been asked for: the ranges, and
    /// which segment shows that each exists.
    package func missing(now: SteadyTime) -> [MissingRange] {
        guard let gap = open?.gap,
            now.microseconds(since: gap.foundAt.steady) >= limits.reorderWindow
        else { return [] }
        var ranges: [MissingRange] = []
        var next = merged.sequence + 1
        for header in early.headers {
            let first = header.firstSequence
            if first > next {
                ranges.append(
                    MissingRange(
                        first: next, last: first - 1, since: gap.foundAt.wall,
                        evidence: .successor(first: first, names: header.previous)))
            }
            next = max(next, header.lastSequence + 1)
        }
        return ranges
    }

    /// The last event that is here, merged or early.
    package var highestReceived: UInt64 { max(merged.sequence, early.highest) }
}

extension SealedSegment {
    /// The place behind which it stands.
    fileprivate var start: ChainPoint {
        ChainPoint(sequence: segment.header.firstSequence - 1, hash: segment.header.previous)
    }
}

extension ChainPoint {
    /// Whether the segment is the next one behind this place.
    fileprivate func precedes(_ segment: Segment) -> Bool {
        segment.header.firstSequence == sequence + 1 && segment.header.previous == hash
    }
}
