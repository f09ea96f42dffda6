import LedgerCore
import SyncProtocol

extension OutboxSession {
    /// Whether a welcome with that nonce answers the last greeting.
    package func awaits(_ nonce: [UInt8]) -> Bool {
        if case .greeting(let greeting) = state { greeting.nonce == nonce } else { false }
    }

    /// The aggregator says what it holds of this stream.
    package mutating func welcomed(_ welcome: Welcome) -> [Action] {
        guard case .greeting(let greeting) = state, welcome.nonce == greeting.nonce else {
            return []
        }
        if let refusal = refusal(welcome.standing) { return refusal }
        guard welcome.session > lastSession else { return [] }
        state = .preparing(Preparing(welcome: welcome))
        return [
            .prepare(session: welcome.session, leaves: welcome.leaves, announced: welcome.announced)
        ]
    }

    /// What comes of a standing that lets nothing flow; nil where it does not matter. A former stream
    /// is taken also where it is closed.
    private mutating func refusal(_ standing: Standing) -> [Action]? {
        if standing == .open || standing.isClosed && !isWriting { return nil }
        let finding = Finding.standing(standing)
        if standing.isClosed { return end(finding) }
        state = .holding(finding, askAgainAt: nil)
        return [.hold(finding)]
    }

    /// The session's number is durable, and the chain was searched.
    ///
    /// - Parameters:
    ///   - resume: the highest leaf that is in our chain; nil for none, then everything retained is
    ///     sent, unless what the aggregator lacks before it is pruned.
    ///   - hasAnnounced: whether the announced head is in our chain. If not, somebody else went on
    ///     from an older copy of this folder, or we did.
    ///   - oldestRetained: the first event that this agent still has.
    package mutating func prepared(
        session: UInt64, resume: ChainPoint?, hasAnnounced: Bool, oldestRetained: UInt64,
        unsentBytes: Int, now: SteadyTime, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let last = lastSession
        lastSession = max(lastSession, session)
        guard case .preparing(let preparing) = state, preparing.welcome.session == session else {
            return []
        }
        let welcome = preparing.welcome
        if preparing.isStray {
            let proof = Proof(stream: stream, head: head, hasLeft: true)
            return [prove(proof, welcome)] + greet(now, &random)
        }
        if isWriting, let finding = finding(welcome, hasAnnounced: hasAnnounced, last: last) {
            let proof = Proof(stream: stream, head: head, passesAnnounced: hasAnnounced)
            return [prove(proof, welcome)] + end(finding)
        }
        let proof = Proof(stream: stream, head: head, passesAnnounced: hasAnnounced)
        if resume == nil, let lacking = lacking(welcome.leaves, oldestRetained: oldestRetained) {
            return [prove(proof, welcome)] + hold(lacking)
        }
        let from = min(resume?.sequence ?? oldestRetained - 1, head.sequence)
        let window = Window(
            session: session, credit: welcome.credit, acknowledged: from,
            acknowledgedHash: resume?.hash, sent: from, sentHash: resume?.hash,
            unsentBytes: unsentBytes,
            deadline: deadline(now, &random))
        resend(from: from)
        return [prove(proof, welcome)] + advance(window)
    }

    private func prove(_ proof: Proof, _ welcome: Welcome) -> Action {
        .sendProof(challenge: welcome.challenge, session: welcome.session, proof)
    }

    // MARK: Copies

    /// Why this folder, or another one, must be a copy; nil where nothing says so. A session's number
    /// is durable here before it is proved, so nobody but a copy proves one that is not known here.
    private func finding(_ welcome: Welcome, hasAnnounced: Bool, last: UInt64) -> Finding? {
        let announced = welcome.announced
        if announced.sequence > head.sequence {
            return .rolledBack(announced: announced.sequence, head: head.sequence)
        }
        if welcome.session > last + 1 {
            return .surpassed(session: welcome.session - 1, last: last)
        }
        return hasAnnounced ? nil : .diverged(announced: announced)
    }

    private mutating func end(_ finding: Finding) -> [Action] {
        state = .ended(finding, sayAgainAt: nil)
        return [.end(finding)]
    }

    /// The hub has closed the stream while it was being written.
    package mutating func closed(_ standing: Standing) -> [Action] {
        guard isWriting, standing.isClosed else { return [] }
        if case .ended = state { return [] }
        return end(.standing(standing))
    }

    /// Another stream is written from now on: this one is only sent to its end.
    package mutating func retire() {
        isWriting = false
        state = .offline
    }

    // MARK: What is lacking

    /// What the aggregator lacks although it cannot be sent any more; nil where nothing, or where its
    /// leaves reach into what is retained and are of another chain, which is another matter.
    private func lacking(
        _ leaves: [ChainPoint], oldestRetained: UInt64
    ) -> ClosedRange<UInt64>? {
        let known = leaves.map(\.sequence).max() ?? 0
        return known + 1 < oldestRetained ? known + 1...oldestRetained - 1 : nil
    }

    /// The aggregator was restored from a backup older than the retention. It was told, with proof,
    /// what this agent has: the greeting named the oldest that is retained. To send what follows the
    /// gap would only fill its memory.
    private mutating func hold(_ lacking: ClosedRange<UInt64>) -> [Action] {
        let finding = Finding.prunedWhatIsLacking(lacking)
        state = .holding(finding, askAgainAt: nil)
        return [.hold(finding)]
    }

    /// What held the stream is over: greet anew.
    package mutating func mayGoOn(now: SteadyTime, _ random: inout some RandomNumberGenerator)
        -> [Action]
    {
        guard case .holding = state else { return [] }
        return greet(now, &random)
    }

    // MARK: Hubs that were left

    /// A hub has answered that this agent has left for a later one. While that one lives, it answers
    /// too, and nothing comes of this.
    package mutating func welcomedByStray(_ welcome: Welcome) {
        guard case .greeting(var greeting) = state, welcome.nonce == greeting.nonce else { return }
        greeting.stray = welcome
        state = .greeting(greeting)
    }

    /// Nobody else has answered: the hub was put back from an older copy, and has to hear it.
    mutating func testifyToStray(_ greeting: Greeting) -> [Action]? {
        guard let welcome = greeting.stray, welcome.session > lastSession else { return nil }
        state = .preparing(Preparing(welcome: welcome, isStray: true))
        return [
            .prepare(session: welcome.session, leaves: welcome.leaves, announced: welcome.announced)
        ]
    }
}
