import AggregatorCore
import LedgerCore
import LedgerStoreSQLite
import Logging
import SegmentStore
import SyncProtocol
import Synchronization
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

    /// What the last audit that came to an end found, and up to which position.
    struct Finding: Sendable {
        let isConserved: Bool
        let position: Int64
    }

    private let mailbox = Mailbox<Request>(capacity: Auditor.capacity)
    private let board = FindingBoard()
    private let thread: WorkerThread

    /// - Parameter interval: how often to audit without being asked.
    /// - Parameter look: asks the intake for a snapshot; the auditor gets it through `post`.
    init(
        store: LedgerStore, limits: AggregatorLimits, hasher: any ContentHasher, logger: Logger,
        interval: Duration,
        look: @escaping @Sendable () -> Void
    ) {
        let mailbox = mailbox
        let board = board
        thread = WorkerThread("auditor") {
            var desk = AuditDesk(store: store, limits: limits, hasher: hasher, logger: logger)
            while let requests = mailbox.take(patience: interval) {
                if requests.isEmpty { look() }
                for request in requests {
                    let summary = desk.summary(request.snapshot)
                    board.note(summary)
                    request.reply(summary)
                }
            }
        }
    }

    /// Nil before the first audit.
    var lastFinding: Finding? { board.finding }

    /// Why the log could not be read when it was last tried; nil where it could, or was not yet.
    var readFailure: String? { board.readFailure }

    /// - Returns: false where too many wait.
    func post(_ request: Request) -> Bool {
        mailbox.post(request) == .taken
    }

    func stop() {
        mailbox.close()
        _ = thread.join(atMost: .seconds(5))
    }
}

/// Written by the auditor, read by any thread.
private final class FindingBoard: Sendable {
    private struct State {
        var finding: Auditor.Finding?
        var readFailure: String?
    }

    private let state = Mutex(State())

    var finding: Auditor.Finding? { state.withLock { $0.finding } }
    var readFailure: String? { state.withLock { $0.readFailure } }

    func note(_ result: Result<LedgerSummary, AggregatorFailure>) {
        state.withLock { state in
            switch result {
            case .success(let summary):
                state.readFailure = nil
                guard let audit = summary.audit else { return }
                state.finding = Auditor.Finding(
                    isConserved: audit.isConserved, position: summary.auditedThrough)
            case .failure(.unavailable(let detail)): state.readFailure = detail
            case .failure(.overloaded): break
            }
        }
    }
}

/// The state of the auditor's thread.
private struct AuditDesk {
    let store: LedgerStore
    let limits: AggregatorLimits
    let hasher: any ContentHasher
    let logger: Logger
    private var audit: Audit
    private var lastResult: AuditResult?

    init(store: LedgerStore, limits: AggregatorLimits, hasher: any ContentHasher, logger: Logger) {
        self.store = store
        self.limits = limits
        self.hasher = hasher
        self.logger = logger
        audit = Audit(hasher: hasher)
    }

    mutating func summary(
        _ snapshot: Intake.Snapshot
    ) -> Result<LedgerSummary, AggregatorFailure> {
        let deadline = SteadyClock.now().advanced(byMicroseconds: limits.auditWaitMax)
        do throws(StoreError) {
            let reached = try audit.advance(to: snapshot.position, in: store) {
                SteadyClock.now() > deadline
            }
            if reached, audit.position == snapshot.position { compare(snapshot.ledger.balances) }
            // Two questions may come in the reverse order of their snapshots: then what was found
            // at the later one counts for both.
            return .success(summary(snapshot, audit: reached ? lastResult : nil))
        } catch {
            logger.error("the audit cannot read the log", metadata: ["store.error": "\(error)"])
            return .failure(.unavailable(detail: "the audit cannot read the log: \(error)"))
        }
    }

    private func summary(_ snapshot: Intake.Snapshot, audit result: AuditResult?) -> LedgerSummary {
        let balances = snapshot.ledger.balances
        let counts = snapshot.ledger.counts
        return LedgerSummary(
            position: snapshot.position, counts: counts, totals: balances.totals(),
            digest: Digests.state(balances, counts, hub: snapshot.state, hasher),
            factsDigest: Digests.facts(snapshot.leaves, hasher), audit: result,
            auditedThrough: audit.position,
            completeness: Completeness(
                of: snapshot.agents, now: WallClock.now(), limits: limits))
    }

    private mutating func compare(_ balances: Balances) {
        let result = audit.compare(balances)
        defer { lastResult = result }
        guard !result.isConserved, result != lastResult else { return }
        logger.critical(
            "the fold differs from the log",
            metadata: [
                "audit.accounts": "\(result.violations.count)",
                "audit.unbalanced_assets":
                    "\(result.unbalanced.map(\.description).joined(separator: " "))",
            ])
    }
}
