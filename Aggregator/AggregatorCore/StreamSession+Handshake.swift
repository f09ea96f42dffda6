import LedgerCore
import SyncProtocol

/// How a session begins: a greeting is answered with what is known, and a proof shows that the greeting
/// was the agent's own.
extension StreamSession {
    /// An agent greets. Nothing is concluded from it: it may be of yesterday. It is answered with
    /// what is known.
    package mutating func greeted(
        _ hello: Hello, credit: Credit, hub: Seen, hubGenesis: Genesis, now: Timestamp,
        clock: HybridTimestamp = HybridTimestamp(rawValue: 0),
        _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        let proved = max(record.provedSession, hello.lastSession)
        guard proved < UInt64.max else { return [.drop(.notInSession)] }
        let greeting = hello.digest(hasher)
        let challenge = challenge(
            for: greeting,
            (0..<Welcome.challengeByteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
        self.challenge = Challenge(
            bytes: challenge, greeting: greeting, session: proved + 1, hello: hello)
        let welcome = Welcome(
            nonce: hello.nonce, greeting: greeting, challenge: challenge, session: proved + 1,
            standing: record.standing,
            leaves: leaves(for: hello), announced: record.announced,
            credit: credit, hub: hub,
            hubGenesis: hubGenesis, sentAt: now, clock: clock)
        return [.sendWelcome(welcome)]
    }

    /// A greeting that the broker delivers twice is challenged once: the agent answers the first
    /// welcome.
    private func challenge(for greeting: Hash256, _ fresh: [UInt8]) -> [UInt8] {
        guard let challenge, challenge.greeting == greeting else { return fresh }
        return challenge.bytes
    }

    /// The places that a welcome names: the ends of branches, of gaps that are lost, where the agent has
    /// nothing of them either, and where what it keeps begins. Those that the greeting speaks of come
    /// first, then the furthest.
    private func leaves(for hello: Hello) -> [ChainPoint] {
        let spokenOf = spokenOf(hello)
        let lost = lostGaps.map(\.end).filter {
            !leaves.contains($0) && $0.sequence < hello.oldestRetained
        }
        var known = leaves.filter { !passesGap($0, oldestRetained: hello.oldestRetained) } + lost
        known += inside(of: hello).filter { !known.contains($0) }
        let ordered = known.sorted { left, right in
            let (first, second) = (spokenOf.contains(left), spokenOf.contains(right))
            return first == second ? left > right : first
        }
        return Array(ordered.prefix(Welcome.leavesMax))
    }

    /// Places that are in the agent's chain.
    private func spokenOf(_ hello: Hello) -> [ChainPoint] {
        let places = [hello.head, hello.acknowledged]
        guard let hash = hello.retainedBehind, hello.oldestRetained > 1 else { return places }
        return places + [ChainPoint(sequence: hello.oldestRetained - 1, hash: hash)]
    }

    /// Of those, what the tree is known to have beside its ends.
    private func inside(of hello: Hello) -> [ChainPoint] {
        let spokenOf = spokenOf(hello)
        return inside.filter { $0.oldestRetained <= hello.oldestRetained }.map(\.point)
            .filter(spokenOf.contains)
    }

    /// What is durable of the hub that the session is with.
    package struct HubPlace: Hashable, Sendable {
        package let tag: StreamTag
        /// Of its own.
        package let events: UInt64
        /// Of the log.
        package let position: UInt64
        /// Whether the event that the greeting says was seen last is the one of that number here.
        package let hasToldSeen: Bool

        package init(tag: StreamTag, events: UInt64, position: UInt64, hasToldSeen: Bool = true) {
            self.tag = tag
            self.events = events
            self.position = position
            self.hasToldSeen = hasToldSeen
        }
    }

    /// The agent proves that it holds the stream's key now. From here on its words count, and those
    /// of its greeting.
    ///
    /// - Parameter needsApproval: whether a stream that was never heard of has to wait for an operator.
    package mutating func proved(
        _ proof: Proof, session: UInt64, signature: Signature?, hub: HubPlace,
        needsApproval: Bool = false, now: Timestamp
    ) -> [Action] {
        guard let challenge, session == challenge.session else { return [.drop(.notInSession)] }
        let content = proof.signedContent(
            challenge: challenge.bytes, greeting: challenge.greeting, session: session)
        guard let signature, verifier.isValid(signature, for: content, by: genesis.publicKey) else {
            return [.drop(.badSignature)]
        }
        if proof.hasLeft || isAhead(challenge.hello, of: hub) { return [.fallenBehind] }
        var actions: [Action] = []
        if needsApproval, record.provedSession == 0 {
            record.standing = .unapproved
            actions.append(.awaitApproval)
        } else if let finding = finding(of: proof, lastSession: challenge.hello.lastSession) {
            close(finding, &actions)
        }
        record.provedSession = max(record.provedSession, session)
        record.evidence = SignedHead(
            proof, session: session, challenge: challenge.bytes, greeting: challenge.greeting,
            signature: signature)
        if proof.head.sequence > record.announced.sequence { record.announced = proof.head }
        provenSeen = challenge.hello.seen
        self.challenge = nil
        owesRecord = true
        actions.append(.persistRecord)
        guard record.standing.takesSegments else { return actions + [.drop(.streamStopped)] }
        begin(session, challenge.hello, proof.head, hub, now)
        loseGap(&actions)
        settle(&actions)
        return actions
    }

    /// Whether the agent has seen or was told what this hub has never committed: its database was put
    /// back from an older copy.
    private func isAhead(_ hello: Hello, of hub: HubPlace) -> Bool {
        if hello.seen.hub == hub.tag, hello.seen.position > hub.events || !hub.hasToldSeen {
            return true
        }
        guard let place = hello.acknowledgedAt, place.hub == hub.tag else { return false }
        return place.position > hub.position
            || hello.acknowledged.sequence > max(committed.sequence, lostThrough)
    }

    /// Whether this is a copy of the folder that was heard of before.
    private func finding(of proof: Proof, lastSession: UInt64) -> Standing? {
        let known = record.announced
        if lastSession < record.provedSession || proof.head.sequence < known.sequence {
            return .rolledBack
        }
        let isKnown = proof.head.sequence > known.sequence || proof.head.hash == known.hash
        return proof.passesAnnounced && isKnown ? nil : .forked
    }

    /// Only what comes in the new session counts from now on: its agent sends again what it is not
    /// told to be here.
    private mutating func begin(
        _ session: UInt64, _ hello: Hello, _ head: ChainPoint, _ hub: HubPlace, _ now: Timestamp
    ) {
        open = Open(
            session: session, oldestRetained: hello.oldestRetained,
            retainedBehind: hello.retainedBehind, provedAt: now)
        early.removeAll()
        questions.removeAll()
        isAsking = false
        if record.standing == .open {
            // Its chain passes through what was announced, and so through all that is merged.
            let reached = accounted(for: tree.merged)
            open?.reached = reached
        } else if head.sequence < hello.oldestRetained && isLost(head)
            || tree.ends(with: head) && !passesGap(head, oldestRetained: hello.oldestRetained)
        {
            open?.reached = head
        } else {
            let reached = inside(of: hello).max()
            open?.reached = reached
            if head.sequence <= tree.merged.sequence { questions.append(.head(head)) }
            if let hash = hello.retainedBehind, hello.oldestRetained > 1 {
                let point = ChainPoint(sequence: hello.oldestRetained - 1, hash: hash)
                questions.append(.retained(point))
            }
        }
        let isOurs = hello.acknowledgedAt?.hub == hub.tag && hello.acknowledged.sequence > 0
        let isKnown =
            tree.ends(with: hello.acknowledged) || isLost(hello.acknowledged.sequence)
        if isOurs, !isKnown { questions.append(.acknowledged(hello.acknowledged)) }
    }
}
