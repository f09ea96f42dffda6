import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol

/// What the world has seen of the aggregator's log.
struct LogWatch {
    var checkedThrough = 0
    var ends: [StreamTag: ChainPoint] = [:]
    /// Streams of which there are, or were, copies.
    var copied: Set<StreamTag> = []
    /// Streams whose disk is gone: what of them was under way may still come.
    var lost: Set<StreamTag> = []
}

/// What must hold at every step, looked at where it could break.
extension World {
    /// Something was added to the aggregator's log.
    func logGrew(_ aggregator: SimulatedAggregator) {
        let contents = aggregator.contents
        for sealed in contents.log[min(watch.checkedThrough, contents.log.count)...] {
            let header = sealed.segment.header
            let before = watch.ends[header.stream]
            let isNext =
                before.map {
                    header.firstSequence == $0.sequence + 1 && header.previous == $0.hash
                } ?? (header.firstSequence == 1)
            if !isNext {
                violate(
                    .chains,
                    "\(header.sequences) of \(header.stream) was logged behind \(before?.sequence ?? 0)"
                )
            }
            watch.ends[header.stream] = sealed.end
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
        guard aggregator.contents.checkpoint.position > 0 else { return }
        var whole = GlobalLedger()
        for sealed in aggregator.contents.log { aggregator.contents.merge(sealed, into: &whole) }
        let loaded = aggregator.ledger
        if Digests.state(whole.balances, whole.counts, ToyHasher())
            != Digests.state(loaded.balances, loaded.counts, ToyHasher())
        {
            violate(.checkpointAndTail, "the aggregator loaded another state than its log has")
        }
    }

    /// The aggregator says that it has committed up to there.
    func checkAcknowledgement(
        _ aggregator: SimulatedAggregator, _ tag: StreamTag, _ point: ChainPoint
    ) {
        if !aggregator.contents.holds(tag, point) {
            violate(
                .acknowledgedIsDurable,
                "\(point.sequence) of \(tag) is acknowledged and not durable")
        }
    }

    /// The agent takes everything up to there for safe.
    func checkRelease(_ agent: SimulatedAgent, _ point: ChainPoint) {
        if !aggregator.contents.holds(agent.contents.tag, point) {
            violate(.releasedIsHeld, "\(agent.id) releases \(point.sequence), which is not held")
        }
        if !agent.contents.isInChain(point) {
            violate(.releasedIsHeld, "\(agent.id) releases \(point.sequence) of another chain")
        }
    }

    func checkPruning(_ agent: SimulatedAgent, _ count: Int) {
        let contents = agent.contents
        for index in 0..<count {
            let point = contents.segments[index].end
            let end = point.sequence
            if !aggregator.contents.holds(contents.tag, point) || end > agent.durablyAcknowledged {
                violate(.prunedIsOld, "\(agent.id) prunes \(end), which is not held")
            }
            let age = now - contents.writtenAt[index]
            if age < plan.retention.segments, !agent.device.clock.wasWrong {
                violate(.prunedIsOld, "\(agent.id) prunes \(end) after \(age) µs")
            }
        }
    }

    func checkProof(_ agent: SimulatedAgent, session: UInt64, head: ChainPoint) {
        if agent.contents.lastSession < session {
            violate(
                .provedIsDurable,
                "\(agent.id) proves session \(session), and durable is \(agent.contents.lastSession)"
            )
        }
        if head.sequence > agent.contents.head.sequence {
            violate(
                .provedIsDurable, "\(agent.id) announces \(head.sequence), which is not durable")
        }
    }

    // MARK: Accusations

    /// An agent takes itself, or is taken, for a copy.
    func accused(_ agent: SimulatedAgent, _ finding: OutboxSession.Finding) {
        guard !watch.copied.contains(agent.contents.tag) else { return }
        violate(.noFalseAlarm, "\(agent.id) stops: \(finding.sentence)")
    }

    func accused(_ tag: StreamTag, _ standing: Standing) {
        guard !watch.copied.contains(tag) else { return }
        violate(.noFalseAlarm, "\(tag) is \(standing.name)")
    }

    // MARK: Losses

    /// A disk with these segments is gone. What nobody else has is lost, and nobody's fault.
    func destroyed(_ segments: [SealedSegment], of agent: SimulatedAgent) {
        let contents = agent.contents
        watch.lost.insert(contents.tag)
        let log = aggregator.contents
        for sealed in segments where !log.holds(contents.tag, sealed.end) {
            let names = contents.definitions
            for case .event(let event) in sealed.segment.events(name: {
                $0 < names.count ? names[Int($0)] : nil
            }) {
                guard let text = event.transaction.reference, let number = Int(text.dropFirst())
                else { continue }
                oracle.lost(number)
            }
        }
    }
}
