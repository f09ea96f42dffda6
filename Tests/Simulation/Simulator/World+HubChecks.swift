import AggregatorCore
import LedgerCore
import SyncProtocol

/// What must hold of the hub's own stream, and of what it says there.
extension World {
    /// In the end.
    func checkHub(_ reading: LedgerReading) {
        let contents = aggregator.contents
        let hub = HubReading(contents.whole, hubs: contents.hubs)
        if let fault = hub.fault { violate(.hubStream, fault) }
        checkReplay()
        let held = Set(contents.log.map(\.hash))
        let quarantined = hub.quarantined.filter { held.contains($0.segment) }
        if quarantined != reading.unsound {
            let few = quarantined.symmetricDifference(reading.unsound).map(\.sequence).sorted()
            violate(.poisonStaysAlone, "quarantine is not what cannot be read: \(few.prefix(5))")
        }
        for tag in contents.tags where hasFork(tag) && !hub.closed.contains(tag) {
            violate(.forksAreClosed, "\(tag) has two branches and is not closed")
        }
        for tag in contents.tags {
            let standing = aggregator.hub.state.standing(of: tag)
            guard standing.isClosed != hub.closed.contains(tag) else { continue }
            violate(
                .forksAreClosed, "\(tag) stands as \(standing.name), and the hub said otherwise")
        }
        for sealed in contents.log where contents.suspect.contains(sealed.hash) {
            guard !hub.restamped.contains(sealed.hash) else { continue }
            let header = sealed.segment.header
            violate(.clocks, "\(header.sequences) of \(header.stream) is not marked")
        }
        if plan.present.isDisjoint(with: FaultKind.clocks), !hub.restamped.isEmpty {
            violate(.clocks, "\(hub.restamped.count) segments are marked, and all clocks are right")
        }
        checkConflicts(hub)
        checkKept(hub)
        checkLosses(hub)
    }

    /// What the hub shows to people, against what its stream says.
    private func checkConflicts(_ hub: HubReading) {
        let shown = aggregator.hub.state.conflicts
        let conflicts = shown.all.map { LoggedConflict(kind: $0.kind, stream: $0.stream) }
        if Set(conflicts) != hub.conflicts {
            let few = hub.conflicts.symmetricDifference(conflicts).map { "\($0)" }.sorted()
            violate(.conflictsAreShown, "not in both: \(few.prefix(3))")
        }
        let quarantined = shown.quarantine.flatMap { segment, parts in
            parts.flatMap(\.sequences).map { LoggedEvent(segment: segment, sequence: $0) }
        }
        if Set(quarantined) != hub.quarantined {
            violate(
                .conflictsAreShown,
                "\(quarantined.count) in quarantine, and \(hub.quarantined.count) should be")
        }
    }

    /// What an agent says that it has seen of the hub that is written, it has, and nothing else.
    private func checkKept(_ hub: HubReading) {
        let tag = aggregator.hub.tag
        for agent in agents {
            guard let seen = agent.contents.hubs.last(where: { $0.tag == tag })?.seen.position
            else {
                continue
            }
            let kept = agent.contents.hubEvents.filter { $0.hub == tag }.map(\.event.sequence)
            let told = (hub.addressed[tag]?[agent.id] ?? []).filter { $0 <= seen }
            guard told != Set(kept) else { continue }
            let few = told.symmetricDifference(kept).sorted()
            violate(
                .toldIsKept, "\(agent.id) has seen \(seen) of hub \(tag), but \(few.prefix(5))")
        }
    }

    /// The fold of the whole log, from its beginning, is the one that the hub has.
    private func checkReplay() {
        let whole = aggregator.contents.fold()
        let ledger = aggregator.ledger
        if Digests.state(whole.ledger.balances, whole.ledger.counts, hub: whole.state, ToyHasher())
            != Digests.state(
                ledger.balances, ledger.counts, hub: aggregator.hub.state, ToyHasher())
        {
            violate(.checkpointAndTail, "a replay of the log gives another state")
        }
    }

    private func hasFork(_ tag: StreamTag) -> Bool {
        var parents: Set<Hash256> = []
        for sealed in aggregator.contents.log where sealed.segment.header.stream == tag {
            guard parents.insert(sealed.segment.header.previous).inserted else { return true }
        }
        return false
    }

    /// What was answered and is nowhere, in a stream that still has its folder, lies in a gap.
    private func checkLosses(_ hub: HubReading) {
        for agent in agents {
            for place in agent.contents.told.values where oracle.lost.contains(place) {
                guard let stream = agent.contents.stream(place.stream),
                    place.sequence <= stream.head.sequence,
                    !holdsEvent(place)
                else { continue }
                let isSaid = hub.gaps.contains {
                    $0.stream == place.stream && $0.sequences.contains(place.sequence)
                }
                if !isSaid { violate(.lossIsSaid, "\(place) is lost, and no gap says so") }
            }
        }
    }

    private func holdsEvent(_ place: StreamPlace) -> Bool {
        aggregator.contents.log.contains {
            $0.segment.header.stream == place.stream
                && $0.segment.header.sequences.contains(place.sequence)
        }
    }

    /// The hub tells an agent what only a commit under way has: a crash would take it back.
    func checkTold(_ message: HubEventsMessage) {
        for event in message.events where event.event.sequence > aggregator.contents.hubEnd {
            violate(
                .toldIsDurable,
                "event \(event.event.sequence) of hub \(event.hub) is told, and durable is "
                    + "\(aggregator.contents.hubEnd)")
        }
    }

    // MARK: Clocks

    /// The hub says what time it is: never much later than its own clock was, whatever agents say.
    func checkHubClock(_ said: HybridTimestamp) {
        let limits = plan.aggregatorLimits
        let latest = watch.hubWall + limits.driftMax + Plan.second
        if said.time.microseconds > latest {
            violate(.clocks, "the hub says \(said.time), and its clock says \(aggregator.now.wall)")
        }
    }
}
