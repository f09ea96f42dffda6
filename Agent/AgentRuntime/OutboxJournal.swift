import AgentCore
import Logging

/// What the log says of the sessions, each line so that who reads it knows what happened and what is
/// to be done.
struct OutboxJournal {
    let logger: Logger

    func log(_ note: Outbox.Note) {
        switch note {
        case .ends(let stream, let finding):
            logger.warning(
                "this stream ends here, and another begins",
                metadata: ["sync.finding": "\(finding.sentence)", "sync.stream": "\(stream)"])
        case .drawn(let stream, let before):
            logger.warning(
                "transactions go on in another stream; what waits in the one before is still sent",
                metadata: ["sync.stream": "\(stream)", "sync.stream.before": "\(before)"])
        case .drained(let stream):
            logger.info(
                "the aggregator has all of a former stream", metadata: ["sync.stream": "\(stream)"])
        case .held(let stream, let finding):
            logger.error(
                "stream held",
                metadata: ["sync.finding": "\(finding.sentence)", "sync.stream": "\(stream)"])
        case .refused(let stream, let finding):
            logger.warning(
                "message refused",
                metadata: ["sync.finding": "\(finding.sentence)", "sync.stream": "\(stream)"])
        case .follows(let hub, .some(let before)):
            logger.warning(
                "another aggregator answers, or it was restored: everything is offered to it anew",
                metadata: ["hub.before": "\(before.tag)", "hub.now": "\(hub.tag)"])
        case .follows(let hub, nil):
            logger.info("aggregator found", metadata: ["hub.now": "\(hub.tag)"])
        case .stray(let hub):
            logger.error(
                "an aggregator answers that this agent has left: an older copy, or a second one",
                metadata: ["hub.left": "\(hub)"])
        case .forged(let kind):
            logger.warning(
                "dropped a message without the aggregator's signature",
                metadata: ["sync.kind": "\(kind)"])
        case .broken(let error):
            logger.warning("dropped a broken message", metadata: ["sync.error": "\(error)"])
        case .told(let event):
            logger.info(
                "told by the aggregator",
                metadata: [
                    "hub.event": "\(event.event.content.fact.name)",
                    "hub.number": "\(event.event.sequence)",
                ])
        case .unreadable(let stream, let range):
            logger.error(
                "a part of the log cannot be read from this disk any more; run verify",
                metadata: [
                    "sync.stream": "\(stream)",
                    "sync.events": "\(range.lowerBound) to \(range.upperBound)",
                ])
        case .progress, .lost: break
        }
    }
}
