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
        for sealed in contents.log where contents.suspect.contains(sealed.hash) {
            guard !hub.restamped.contains(sealed.hash) else { continue }
            let header = sealed.segment.header
            violate(.clocks, "\(header.sequences) of \(header.stream) is not marked")
        }
        checkLosses(hub)
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
