import SyncProtocol

/// All but what is injected: two equal sessions of one aggregator go on alike.
extension StreamSession: Hashable {
    package static func == (left: StreamSession, right: StreamSession) -> Bool {
        left.genesis == right.genesis && left.record == right.record && left.tree == right.tree
            && left.watermark == right.watermark && left.provenSeen == right.provenSeen
            && left.closingEvidence == right.closingEvidence && left.lostGaps == right.lostGaps
            && left.challenge == right.challenge && left.open == right.open
            && left.owesRecord == right.owesRecord && left.early == right.early
            && left.questions == right.questions && left.isAsking == right.isAsking
            && left.inside == right.inside && left.mergedLast == right.mergedLast
            && left.limits == right.limits
    }

    /// Without the evidence, by which nothing is decided: an exhaustive search tells states apart by
    /// the hash.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(stream)
        hasher.combine(record.provedSession)
        hasher.combine(record.announced)
        hasher.combine(record.standing)
        hasher.combine(record.watermark)
        hasher.combine(tree)
        hasher.combine(watermark)
        hasher.combine(provenSeen)
        hasher.combine(lostGaps)
        hasher.combine(challenge)
        hasher.combine(open)
        hasher.combine(owesRecord)
        hasher.combine(early)
        hasher.combine(questions)
        hasher.combine(isAsking)
        hasher.combine(inside)
        hasher.combine(mergedLast)
    }
}
