import LedgerCore
import SyncProtocol

/// Up to when the merged ledger has everything, and who holds that back.
///
/// **Overview.** Each live agent's watermark says up to when all that it accepted is merged; the
/// least of them is true of the whole. A few devices that are off must not hide how far the others
/// are: those are named, and the least without them is told beside it. An agent holds the ledger back
/// that is offline, whose stream was stopped, or whose watermark is late.
///
/// An agent is live from the first session that it proves, and stays so, offline or not: what it
/// accepted meanwhile is missing here. Two do not count. One that went without having announced an
/// event or said a watermark is known no better than one that never came: a start that failed must
/// not hold the ledger back for good. And a stream of which nothing more is waited for: one that is
/// refused, or that an operator declared lost; what comes of it all the same is merged. Any other
/// stream that was stopped does count: what it held must be decided on first.
package struct Completeness: Hashable, Sendable {
    /// Why an agent holds the ledger back, the gravest first.
    package enum Cause: Hashable, Sendable {
        /// Its stream may not go on.
        case stopped(Standing)
        /// It went then; nil where that was before this aggregator was started.
        case offline(since: Timestamp?)
        /// It is online, and goes on in another stream: what it took in this one and did not send, is
        /// on its old disk.
        case replaced(StreamTag)
        /// It is online, and has announced more than has come.
        case backlog
        /// It is online and behind by its own clock, which is behind ours by so many microseconds.
        case clock(behind: Int64)
        /// It is online and has nothing to send, but says no watermark.
        case silent
    }

    package struct Laggard: Hashable, Sendable {
        package let agent: AgentID
        /// Nil where it has never said a watermark.
        package let through: HybridTimestamp?
        package let cause: Cause
        /// Events announced and not merged.
        package let backlog: UInt64
    }

    /// Nil where a live agent has never said a watermark, and where there is none.
    package let through: HybridTimestamp?
    /// The same without those that hold it back; nil where they are all.
    package let throughWithoutLaggards: HybridTimestamp?
    /// The furthest behind first; as many as are named, of `laggardCount`.
    package let laggards: [Laggard]
    package let laggardCount: Int
    package let liveCount: Int

    package init(of agents: [AgentView], now: Timestamp, limits: AggregatorLimits) {
        let live = agents.filter(\.isLive)
        let behindBefore = HybridTimestamp(now.advanced(byMicroseconds: -limits.watermarkLateAfter))
        var behind: [AgentView] = []
        var least: HybridTimestamp?
        for agent in live {
            if let watermark = agent.watermark, watermark >= behindBefore, agent.isGoingOn {
                least = min(least ?? watermark, watermark)
            } else {
                behind.append(agent)
            }
        }
        behind.sort { left, right in
            let (first, second) = (left.watermark?.rawValue ?? 0, right.watermark?.rawValue ?? 0)
            return first == second ? left.id < right.id : first < second
        }
        // An agent whose clock is ahead speaks of a time that has not come.
        let present = HybridTimestamp(now)
        throughWithoutLaggards = least.map { min($0, present) }
        let all = live.map { $0.watermark?.rawValue ?? 0 }.min() ?? 0
        through = all > 0 ? min(HybridTimestamp(rawValue: all), present) : nil
        laggards = behind.prefix(limits.laggardsNamedMax).map { agent in
            Laggard(
                agent: agent.id, through: agent.watermark,
                cause: agent.lagCause(now: now, limits), backlog: agent.backlog)
        }
        laggardCount = behind.count
        liveCount = live.count
    }
}

extension AgentView {
    fileprivate var countedStreams: [StreamView] {
        streams.filter { $0.counts(isOnline: isOnline) }
    }

    /// Whether the ledger waits for what this agent accepts.
    package var isLive: Bool { !countedStreams.isEmpty }

    /// The least of its streams; nil where one has never said any, or none counts.
    package var watermark: HybridTimestamp? {
        var least: HybridTimestamp?
        for stream in countedStreams {
            guard let watermark = stream.watermark else { return nil }
            least = min(least ?? watermark, watermark)
        }
        return least
    }

    /// The stream that holds it back, where it is one that the agent does not write any more.
    private var formerStream: StreamTag? {
        guard countedStreams.contains(where: \.isCurrent) else { return nil }
        let last = countedStreams.min {
            ($0.watermark?.rawValue ?? 0) < ($1.watermark?.rawValue ?? 0)
        }
        return last.flatMap { $0.isCurrent ? nil : $0.tag }
    }

    /// Whether its watermark can be expected to grow.
    fileprivate var isGoingOn: Bool {
        isOnline && formerStream == nil && countedStreams.allSatisfy { $0.standing == .open }
    }

    fileprivate func lagCause(now: Timestamp, _ limits: AggregatorLimits) -> Completeness.Cause {
        if let stopped = countedStreams.first(where: { $0.standing != .open }) {
            return .stopped(stopped.standing)
        }
        guard isOnline else { return .offline(since: offlineSince) }
        if let former = formerStream { return .replaced(former) }
        if backlog > 0 { return .backlog }
        if let clockOffset, clockOffset <= -limits.watermarkLateAfter {
            // The offset is as far off as a number goes where a message says that.
            return .clock(behind: -max(clockOffset, -.max))
        }
        return .silent
    }
}

extension AgentView.StreamView {
    /// Whether the ledger waits for what this stream brings.
    fileprivate func counts(isOnline: Bool) -> Bool {
        switch standing {
        case .refused, .lost: false
        // Who is online will say a watermark at once.
        case .open: (isOnline && isCurrent) || announced > 0 || watermark != nil
        default: true
        }
    }
}
