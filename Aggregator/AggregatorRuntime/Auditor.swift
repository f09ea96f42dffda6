import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import Logging
import SegmentStore
import SyncProtocol
import Workers

/// The thread that audits: whenever somebody asks for the ledger, and now and then by itself.
final class Auditor: Sendable {
    typealias Reply = @Sendable (Result<LedgerSummary, AggregatorFailure>) -> Void

    struct Request: Sendable {
        let snapshot: Intake.Snapshot
        let reply: Reply
    }

    /// Questions that may wait.
    private static let capacity = 256

    private let mailbox = Mailbox<Request>(capacity: Auditor.capacity)
    private let thread: WorkerThread

    /// - Parameter interval: how often to audit without being asked.
    /// - Parameter look: asks the intake for a snapshot; the auditor gets it through `post`.
    init(
        store: LedgerStore, limits: AggregatorLimits, hasher: any ContentHasher, logger: Logger, interval: Duration,
        look: @escaping @Sendable () -> Void
    ) {
        let mailbox = mailbox
        thread = WorkerThread("auditor") {
            var audit = Audit()
            var lastResult: AuditResult?
            while let requests = mailbox.take(patience: interval) {
                if requests.isEmpty { look() }
                for request in requests {
                    let summary = Auditor.summary(request.snapshot, &audit, store, limits, hasher, logger)
                    if case .success(let summary) = summary, let result = summary.audit, result != lastResult {
                        lastResult = result
                        Auditor.report(result, logger)
                    }
                    request.reply(summary)
                }
            }
        }
    }

    /// - Returns: false where too many wait.
    func post(_ request: Request) -> Bool {
        mailbox.post(request) == .taken
    }

    func stop() {
        mailbox.close()
        _ = thread.join(atMost: .seconds(5))
    }

    private static func summary(
        _ snapshot: Intake.Snapshot, _ audit: inout Audit, _ store: LedgerStore, _ limits: AggregatorLimits,
        _ hasher: any ContentHasher, _ logger: Logger
    ) -> Result<LedgerSummary, AggregatorFailure> {
        let deadline = WallClock.now().advanced(byMicroseconds: limits.auditWaitMax)
        let balances = snapshot.ledger.balances
        do throws(StoreError) {
            // Two questions may come in the reverse order of their snapshots.
            let reached = try audit.advance(to: snapshot.position, in: store) { WallClock.now() > deadline }
            let isComparable = reached && audit.position == snapshot.position
            return .success(
                LedgerSummary(
                    position: snapshot.position, counts: snapshot.ledger.counts, totals: balances.totals(),
                    digest: Digests.state(balances, snapshot.ledger.counts, hasher),
                    factsDigest: Digests.facts(snapshot.leaves, hasher),
                    audit: isComparable ? audit.compare(balances) : nil, auditedThrough: audit.position))
        } catch {
            logger.error("the audit cannot read the log", metadata: ["store.error": "\(error)"])
            return .failure(.unavailable(detail: "the audit cannot read the log: \(error)"))
        }
    }

    private static func report(_ result: AuditResult, _ logger: Logger) {
        guard !result.isConserved else { return }
        logger.critical(
            "the fold differs from the log",
            metadata: [
                "audit.accounts": "\(result.violations.count)",
                "audit.unbalanced_assets": "\(result.unbalanced.map(\.description).joined(separator: " "))",
            ])
    }
}
