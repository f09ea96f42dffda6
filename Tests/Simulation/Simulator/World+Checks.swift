import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol

/// What the world has seen of the aggregator's log.
struct LogWatch {
    var checkedThrough = 0
    /// Streams of which there are, or were, copies.
    var copied: Set<StreamTag> = []
    /// Devices that share their name with others, and had nothing left to do in their turn.
    var settled: Set<Int> = []
    /// Streams whose disk is gone: what of them was under way may still come.
    var lost: Set<StreamTag> = []
    /// Segments of which no store has a copy.
    var lostSegments: Set<Hash256> = []
    /// All that the aggregator ever had, also on a disk that was exchanged since.
    var everHeld: Set<Hash256> = []
    /// The latest that the aggregator's clock ever showed.
    var hubWall: Int64 = 0
    /// The aggregator's streams of which a disk was exchanged: what they had said may be taken back.
    var formerHubs: Set<StreamTag> = []
}

/// What must hold at every step, looked at where it could break.
extension World {
    /// Something was added to the aggregator's log.
    func logGrew(_ aggregator: SimulatedAggregator) {
        let contents = aggregator.contents
        for sealed in contents.log[min(watch.checkedThrough, contents.log.count)...] {
            let header = sealed.segment.header
            let parent = ChainPoint(sequence: header.firstSequence - 1, hash: header.previous)
            let isFirst = contents.streams[header.stream]?.start == parent
            watch.everHeld.insert(sealed.hash)
            if !isFirst, parent.sequence == 0 || !accounts(header.stream, for: parent) {
                violate(
                    .chains, "\(header.sequences) of \(header.stream) was logged behind nothing")
            }
            // Of a copy nobody has promised anything.
            guard !watch.copied.contains(header.stream) else { continue }
            let watermark = contents.streams[header.stream]?.record.watermark
            if let watermark, header.base <= watermark {
                violate(
                    .watermarks,
                    "\(header.sequences) of \(header.stream) has the time \(header.base.rawValue), "
                        + "and all up to \(watermark.rawValue) was said to be there")
            }
        }
        watch.checkedThrough = contents.log.count
    }

    /// The aggregator has loaded its fold from checkpoint and tail.
    func checkLoaded(_ aggregator: SimulatedAggregator) {
        guard aggregator.contents.checkpoint != nil else { return }
        let whole = aggregator.contents.fold()
        let loaded = aggregator.hub
        if Digests.state(whole.ledger.balances, whole.ledger.counts, hub: whole.state, ToyHasher())
            != Digests.state(
                loaded.ledger.balances, loaded.ledger.counts, hub: loaded.state, ToyHasher())
        {
            violate(.checkpointAndTail, "the aggregator loaded another state than its log has")
        }
    }

    /// The aggregator says that it has committed up to there.
    func checkAcknowledgement(
        _ aggregator: SimulatedAggregator, _ tag: StreamTag, _ point: ChainPoint
    ) {
        if !accounts(tag, for: point) {
            violate(
                .acknowledgedIsDurable,
                "\(point.sequence) of \(tag) is acknowledged and not durable")
        }
    }

    /// The agent takes everything up to there for safe.
    func checkRelease(_ agent: SimulatedAgent, _ tag: StreamTag, _ point: ChainPoint) {
        if !accounts(tag, for: point), !watch.everHeld.contains(point.hash), point.sequence > 0 {
            violate(.releasedIsHeld, "\(agent.id) releases \(point.sequence), which is not held")
        }
        if agent.contents.stream(tag)?.isInChain(point) != true {
            violate(.releasedIsHeld, "\(agent.id) releases \(point.sequence) of another chain")
        }
    }

    func checkPruning(_ agent: SimulatedAgent, _ stream: OwnStream, _ count: Int) {
        for index in 0..<count {
            let point = stream.segments[index].end
            let end = point.sequence
            // Of what cannot be read, nothing is lost with it.
            let isHeld =
                accounts(stream.tag, for: point) || watch.everHeld.contains(point.hash)
                || stream.segments[index].isRotten
            if !isHeld || end > stream.acknowledged {
                violate(.prunedIsOld, "\(agent.id) prunes \(end), which is not held")
            }
            let age = now - stream.segments[index].at
            if age < plan.retention.segments, !agent.device.clock.wasWrong {
                violate(.prunedIsOld, "\(agent.id) prunes \(end) after \(age) µs")
            }
        }
    }

    func checkProof(_ agent: SimulatedAgent, session: UInt64, _ proof: Proof) {
        guard let stream = agent.contents.stream(proof.stream) else {
            return violate(.provedIsDurable, "\(agent.id) proves a stream that it does not have")
        }
        if stream.lastSession < session {
            violate(
                .provedIsDurable,
                "\(agent.id) proves session \(session), and durable is \(stream.lastSession)")
        }
        if !stream.isInChain(proof.head) {
            violate(
                .provedIsDurable,
                "\(agent.id) announces \(proof.head.sequence), which is not durable")
        }
    }

    // MARK: Accusations

    /// An agent takes itself, or is taken, for a copy.
    func accused(_ agent: SimulatedAgent, _ tag: StreamTag, _ finding: OutboxSession.Finding) {
        guard !watch.copied.contains(tag) else { return }
        violate(.noFalseAlarm, "\(agent.id) stops: \(finding.sentence)")
    }

    func accused(_ tag: StreamTag, _ standing: Standing) {
        guard !watch.copied.contains(tag) else { return }
        violate(.noFalseAlarm, "\(tag) is \(standing.name)")
    }
}
