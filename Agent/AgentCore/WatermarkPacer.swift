import LedgerCore
import SyncProtocol

/// When the agent says its watermark, and which.
///
/// **Overview.** A watermark says that everything recorded up to a time is acknowledged, and that
/// nothing earlier will be. Where nothing waits, the recorder promises such a time, durably: so the
/// ledger is not held back by a shop in which nothing happens. Where something waits, the watermark
/// ends just before the first event that does.
///
/// **Function.** `tick` a few times a second; do what it asks for, then say `found`; send what that
/// returns. Nothing is asked for outside of a session that has acknowledged something.
///
/// **Implementation.** Idle agents speak every `watermarkDelayMax`, each at its own moment;
/// acknowledgements bring the next watermark forward, to `watermarkDelayMin` behind the one before.
///
/// **Invariants.** What is said in a session grows, and covers only what that session has
/// acknowledged.
package struct WatermarkPacer: ~Copyable {
    package enum Action: Hashable, Sendable {
        /// Nothing waits: have the recorder promise a time and write it, then say `found`.
        case promise(acknowledged: UInt64)
        /// Find the time of the first event behind, then say `found`.
        case lookUp(after: UInt64)
    }

    /// What is to be said, within the session.
    package struct Statement: Hashable, Sendable {
        package let confirmed: OutboxSession.Confirmed
        package let through: HybridTimestamp
    }

    private struct Pace {
        let session: UInt64
        var dueAt: SteadyTime
        /// Behind that acknowledgement something was asked for; until then nobody asks again.
        var asked: (acknowledged: UInt64, patienceEnds: SteadyTime)?
        var said: (acknowledged: UInt64, through: HybridTimestamp, at: SteadyTime)?
    }

    /// How long an answer may take before it is asked for anew, in microseconds: the write of a
    /// promise may wait for company, and a full disk may refuse it.
    private static let patience: Int64 = 5_000_000

    private var pace: Pace?
    private let limits: AgentLimits

    package init(limits: AgentLimits) {
        self.limits = limits
    }

    /// Time has passed.
    ///
    /// - Parameter head: the last event that is durable here.
    package mutating func tick(
        _ confirmed: OutboxSession.Confirmed?, head: UInt64, now: SteadyTime,
        _ random: inout some RandomNumberGenerator
    ) -> Action? {
        guard let confirmed else {
            pace = nil
            return nil
        }
        var pace = pace(of: confirmed, now)
        defer { self.pace = pace }
        if let asked = pace.asked, now < asked.patienceEnds { return nil }
        guard now >= pace.dueAt else { return nil }
        let acknowledged = confirmed.acknowledged.sequence
        pace.asked = (acknowledged, now.advanced(byMicroseconds: WatermarkPacer.patience))
        let pause = limits.watermarkDelayMax
        pace.dueAt = now.advanced(
            byMicroseconds: pause / 2 + Int64.random(in: 0...pause / 2, using: &random))
        return head > acknowledged
            ? .lookUp(after: acknowledged) : .promise(acknowledged: acknowledged)
    }

    /// The pace of this session, the next watermark brought forward where more is acknowledged.
    private func pace(of confirmed: OutboxSession.Confirmed, _ now: SteadyTime) -> Pace {
        guard var pace, pace.session == confirmed.session else {
            return Pace(session: confirmed.session, dueAt: now)
        }
        if let said = pace.said, said.acknowledged < confirmed.acknowledged.sequence {
            let soon = said.at.advanced(byMicroseconds: limits.watermarkDelayMin)
            pace.dueAt = min(pace.dueAt, soon)
        }
        return pace
    }

    /// What was asked for is known.
    ///
    /// - Parameters:
    ///   - through: everything recorded up to then is acknowledged; nil where that could not be
    ///     found or promised.
    ///   - acknowledged: as it was asked with.
    /// - Returns: what to say; nil where it would be nothing new, or the session has ended.
    package mutating func found(
        _ through: HybridTimestamp?, acknowledged: UInt64,
        _ confirmed: OutboxSession.Confirmed?, now: SteadyTime
    ) -> Statement? {
        guard var pace, let asked = pace.asked, asked.acknowledged == acknowledged else {
            return nil
        }
        pace.asked = nil
        defer { self.pace = pace }
        guard let through else {
            // Something came in between: it will be looked up instead.
            pace.dueAt = now
            return nil
        }
        guard let confirmed, confirmed.session == pace.session,
            confirmed.acknowledged.sequence >= acknowledged,
            pace.said.map({ $0.through < through }) ?? true
        else { return nil }
        pace.said = (confirmed.acknowledged.sequence, through, now)
        return Statement(confirmed: confirmed, through: through)
    }
}
