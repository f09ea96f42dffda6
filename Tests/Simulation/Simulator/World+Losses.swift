import LedgerCore
import SyncProtocol

/// What is lost: events of which no store has a copy any more, and nothing else.
extension World {
    /// Whether an agent's disk has it, and it can be read there.
    func isKept(_ tag: StreamTag, _ point: ChainPoint) -> Bool {
        agents.contains { agent in
            guard let stream = agent.contents.stream(tag) else { return false }
            let index = stream.index(behind: point.sequence - 1)
            guard index < stream.segments.count else { return false }
            return stream.segments[index].end == point && !stream.segments[index].isRotten
        }
    }

    /// One copy of a segment is gone. Where it was the last one, nobody has these events any more.
    func loseIfLast(_ sealed: SealedSegment) {
        let header = sealed.segment.header
        guard !aggregator.contents.holds(header.stream, sealed.end),
            !isKept(header.stream, sealed.end)
        else { return }
        watch.lost.insert(header.stream)
        watch.lostSegments.insert(sealed.hash)
        for sequence in header.sequences {
            oracle.lost(StreamPlace(stream: header.stream, sequence: sequence))
        }
    }

    /// Whether the aggregator has all up to there, or has said that what it lacks is lost.
    func accounts(_ tag: StreamTag, for point: ChainPoint) -> Bool {
        aggregator.contents.holds(tag, point)
            || aggregator.hub.state.gaps(of: tag).contains {
                $0.sequences.upperBound == point.sequence && $0.resumesBehind == point.hash
            }
    }

    /// The aggregator says that nobody has these events any more.
    func checkLoss(_ gap: HubFact.LostGap) {
        oracle.givenUp(gap.sequences, of: gap.stream)
        guard !watch.copied.contains(gap.stream) else { return }
        for agent in agents {
            guard let stream = agent.contents.stream(gap.stream) else { continue }
            let kept = stream.segments.first {
                !$0.isRotten && $0.sealed.segment.header.sequences.overlaps(gap.sequences)
            }
            guard let kept else { continue }
            violate(
                .lostIsLost,
                "\(gap.sequences) of \(gap.stream) are said to be lost, and \(agent.id) has "
                    + "\(kept.sealed.segment.header.sequences)")
        }
    }
}
