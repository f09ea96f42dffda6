import AgentCore
import AgentStore
import LedgerCore
import Logging
import Observability
import SegmentStore
import SyncProtocol
import Synchronization
import Workers

/// The one thread that writes: everything that waits becomes one segment and one sync.
///
/// What is decided about it is decided by `GroupCommit`; `CommitWriter` does it.
final class CommitThread: Sendable {
    typealias Reply = @Sendable (Result<[Outcome], ServiceFailure>) -> Void
    /// What the outbox is told, with which of the events that became durable are traced.
    typealias Report = @Sendable (CommitReport, [TracedRun]) -> Void

    enum Work: Sendable {
        /// A batch, or a group: all or none of it.
        case record([Submission], isGroup: Bool, Reply)
        /// A look at the folds, between two commits; nil where they cannot be read.
        case look(@Sendable (Folds?) -> Void)
        case errand(Errand)
    }

    /// The balances as they are durable: this agent's own, and what others brought.
    struct Folds {
        let own: Balances
        let merged: MergedBalances
        /// That is followed.
        let hub: StreamTag?

        func view(of address: AccountAddress) -> AccountView? {
            merged.account(address, own: own)
        }
    }

    /// What the thread works with.
    struct Parts: Sendable {
        let store: AgentStore
        let limits: AgentLimits
        /// Says what the aggregator holds, and is told what is durable and what is pruned.
        let board: SyncBoard
        let hasher: any ContentHasher
        let logger: Logger
        let tracer: TributaryTracer?
        /// Says that receipts were written.
        let signal: ChangeSignal
        /// Called on this thread.
        let report: Report
        /// Called when the disk failed and nothing can be written until a new start.
        let broken: @Sendable (String) -> Void
    }

    private let mailbox: Mailbox<Work>
    private let waiting = Atomic<Int>(0)
    private let limits: AgentLimits
    private let thread: WorkerThread
    let health = WriteHealth()

    init(_ parts: Parts, loaded: AgentStore.Loaded, tail: OwnTail, upkeep: Upkeep) {
        let mailbox = Mailbox<Work>(capacity: parts.limits.waitingTransactionsMax)
        self.mailbox = mailbox
        limits = parts.limits
        let health = health
        thread = WorkerThread("commit") {
            var writer = CommitWriter(
                parts, loaded: loaded, tail: tail, upkeep: upkeep, health: health)
            writer.run(mailbox)
        }
    }

    /// Queues a batch, or a group, for the next commit.
    ///
    /// - Returns: false where too many wait already.
    func record(
        _ submissions: [Submission], isGroup: Bool = false, reply: @escaping Reply
    ) -> Bool {
        let count = submissions.count
        let (before, _) = waiting.add(count, ordering: .relaxed)
        let isFull = before > limits.waitingTransactionsMax
        let work = Work.record(submissions, isGroup: isGroup) { [self] result in
            waiting.subtract(count, ordering: .relaxed)
            reply(result)
        }
        if !isFull, mailbox.post(work) == .taken { return true }
        waiting.subtract(count, ordering: .relaxed)
        return false
    }

    @discardableResult
    func post(_ work: Work) -> Bool {
        mailbox.post(work) == .taken
    }

    /// Writes what waits, and a last checkpoint.
    func finish() -> Bool {
        mailbox.close()
        return thread.join(atMost: .seconds(8))
    }
}
