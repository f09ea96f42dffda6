import LedgerCore
import SyncProtocol

/// When the hub goes on in another stream of its own: its database was put back from an older copy, and
/// positions that it gave out since are not to be given out again.
extension Hub {
    /// Another stream is to be drawn, as soon as nothing is pending.
    struct Succession {
        /// Who has shown it; nil where the database says so itself.
        let agent: AgentID?
    }

    /// An agent has more of this hub than we have. Nothing that was under way counts any more.
    mutating func fallBehind(_ agent: AgentID, _ now: ClockReading) -> [Action] {
        if let drawnAt, now.steady.microseconds(since: drawnAt) < parts.limits.drawIntervalMin {
            return []
        }
        guard succession == nil else { return [] }
        succession = Succession(agent: agent)
        fleet.forgetSessions()
        return [.note(.fellBehind(agent))]
    }

    /// Draws the stream that is due.
    mutating func draw(
        _ now: ClockReading, _ random: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let due = succession, !hasPending, underWay == nil else { return [] }
        let former = tag
        let genesis = Genesis(
            writer: .hub, ledger: journal.genesis.ledger, agent: journal.genesis.agent,
            nonce: (0..<Genesis.nonceByteCount).map { _ in UInt8.random(in: 0...255, using: &random)
            },
            publicKey: parts.signer.publicKey,
            parent: Genesis.Parent(stream: former, position: UInt64(position), hash: hash))
        journal = HubJournal(genesis, end: nil, parts.hasher)
        fold.state.begin(journal.tag)
        committedEvents = 0
        tellings.removeAll()
        returned = ReturnedPlaces()
        schedule = SnapshotSchedule(limits: parts.limits)
        pending.commit.hub = HubCommit.NewStream(genesis: genesis, hash: journal.end.hash)
        drawnAt = now.steady
        fleet.forgetSessions()
        let found: [Action] = due.agent == nil ? [.note(.fellBehind(nil))] : []
        return found + [.note(.drew(journal.tag, behind: former))]
    }
}
