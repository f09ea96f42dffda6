import AggregatorCore
import LedgerCore
import Logging
import SegmentStore
import SyncProtocol

/// What the intake writes to the log and counts of what the hub notes.
struct IntakeJournal {
    private let logger: Logger
    private let metrics: AggregatorMetrics

    init(_ logger: Logger, _ metrics: AggregatorMetrics) {
        self.logger = logger
        self.metrics = metrics
    }

    func cannotRead(_ error: StoreError) {
        logger.error("cannot read the log", metadata: ["store.error": "\(error)"])
    }

    func write(_ note: Hub.Note) {
        switch note {
        case .received(let segments): metrics.receivedSegments.increment(by: segments)
        case .acknowledged: metrics.acknowledgements.increment()
        case .dropped(let drop, let agent):
            metrics.count(drop)
            logger.debug(
                "message without effect",
                metadata: ["agent.id": "\(agent)", "sync.drop": "\(drop.rawValue)"])
        case .broken(let error, let agent):
            metrics.brokenMessages.increment()
            logger.warning(
                "dropped a broken message",
                metadata: ["agent.id": "\(agent)", "sync.error": "\(error)"])
        case .foreignLedger(let ledger, let agent):
            logger.warning(
                "greeting of another ledger",
                metadata: ["agent.id": "\(agent)", "ledger.theirs": "\(ledger)"])
        case .opened(let stream, let session, let agent):
            logger.debug(
                "session opened",
                metadata: [
                    "agent.id": "\(agent)", "stream.tag": "\(stream)", "sync.session": "\(session)",
                ])
        case .recorded(let event):
            logger.info(
                "hub event",
                metadata: [
                    "hub.event": "\(event.sequence)", "hub.fact": "\(event.content.fact.name)",
                ])
        case .setAside, .closed, .awaitsApproval, .lost, .fellBehind, .drew, .cannotRelease:
            writeTrouble(note)
        }
    }

    /// What somebody should look at.
    private func writeTrouble(_ note: Hub.Note) {
        switch note {
        case .setAside(let stream, let first, let count):
            logger.error(
                "events set aside",
                metadata: [
                    "stream.tag": "\(stream)", "event.first": "\(first)", "event.count": "\(count)",
                ])
        case .closed(let stream, let standing, let agent):
            logger.error(
                "stream closed",
                metadata: [
                    "agent.id": "\(agent)", "stream.tag": "\(stream)",
                    "stream.standing": "\(standing.name)",
                ])
        case .awaitsApproval(let stream, let agent):
            logger.warning(
                "a new stream waits for approval",
                metadata: ["agent.id": "\(agent)", "stream.tag": "\(stream)"])
        case .lost(let gap, let agent):
            logger.error(
                "events are lost: neither this aggregator nor their agent has them",
                metadata: [
                    "agent.id": "\(agent)", "stream.tag": "\(gap.stream)",
                    "event.first": "\(gap.sequences.lowerBound)",
                    "event.last": "\(gap.sequences.upperBound)",
                    "gap.cause": "\(gap.cause.name)",
                ])
        case .fellBehind(let agent):
            let whence = agent.map { "agent \($0) has more than this database" } ?? "its mark"
            logger.error(
                "this database is an older copy", metadata: ["hub.evidence": "\(whence)"])
        case .drew(let stream, let former):
            logger.notice(
                "the hub goes on in another stream",
                metadata: ["hub.stream": "\(stream)", "hub.former": "\(former)"])
        case .cannotRelease(let span):
            logger.warning(
                "events can still not be released",
                metadata: [
                    "stream.tag": "\(span.stream)", "event.first": "\(span.sequences.lowerBound)",
                    "event.last": "\(span.sequences.upperBound)",
                ])
        case .received, .acknowledged, .dropped, .broken, .foreignLedger, .recorded, .opened: break
        }
    }
}
