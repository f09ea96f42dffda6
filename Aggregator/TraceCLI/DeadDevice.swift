import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// An agent's data folder without its agent: read through a copy, never written.
final class DeadDevice {
    private let copy: LogCopy
    private let database: DatabaseQueue

    init(_ path: String) throws {
        let file = try LogFile.find(path)
        guard file.side == .agent else {
            throw TraceFailure.usage(
                "\(path) is an aggregator's; --db takes an agent's data folder")
        }
        do {
            copy = try LogCopy(of: file.path, scratch: NSTemporaryDirectory())
            database = try DatabaseQueue(path: copy.path)
        } catch {
            throw TraceFailure.failed("\(error)")
        }
    }

    /// What the folder knows of a transaction, in the words of the agent's own API.
    func journey(_ id: EventID) throws -> Found<AgentJourneyAnswer> {
        if let found = try found(id) { return .found(found) }
        let pruned = try database.read { try DeadDevice.stream(of: id, $0)?.pruned?.through }
        guard let pruned else { return .absent("the folder has no event \(id)") }
        guard id.sequence <= pruned else {
            return .absent("the folder has no event \(id), and keeps \(pruned + 1) and later ones")
        }
        return .absent(
            "it was merged, and was pruned from the folder, which keeps event \(pruned + 1) and later ones"
        )
    }

    func wasPruned(_ id: EventID) throws -> Bool {
        let pruned = try database.read { try DeadDevice.stream(of: id, $0)?.pruned?.through }
        return pruned.map { id.sequence <= $0 } ?? false
    }

    private static func stream(of id: EventID, _ database: Database) throws -> StreamRow? {
        try SegmentLog.streams(database, tag: id.stream).first { $0.genesis.agent == id.agent }
    }

    private func found(_ id: EventID) throws -> AgentJourneyAnswer? {
        try database.read { database in
            guard let stream = try DeadDevice.stream(of: id, database),
                let stored = try SegmentLog.segment(
                    database, of: stream.id, containing: id.sequence)
            else { return nil }
            var names: [Definition] = []
            for row in try SegmentLog.definitions(database, of: stream.id) {
                names += try row.definitions()
            }
            let events = stored.segment.events { $0 < names.count ? names[Int($0)] : nil }
            for case .event(let event) in events where event.sequence == id.sequence {
                return DeadDevice.answer(
                    id, event, stored, try DeadDevice.receipt(id.sequence, of: stream, database))
            }
            return nil
        }
    }

    private static func answer(
        _ id: EventID, _ event: Event, _ stored: StoredSegment,
        _ receipt: AgentJourneyAnswer.Receipt?
    ) -> AgentJourneyAnswer {
        let acceptedAt = Moment(microseconds: event.time.time.microseconds)
        let header = stored.segment.header
        return AgentJourneyAnswer(
            transaction: TransactionAnswer(
                id: id.description, status: receipt == nil ? "accepted" : "merged",
                acceptedAt: acceptedAt,
                reference: event.transaction.reference,
                postings: event.transaction.postings.map {
                    TransactionAnswer.Posting(
                        source: $0.source.description, destination: $0.destination.description,
                        asset: $0.asset.description, amount: WholeNumber($0.amount.units))
                }),
            agent: id.agent.description, acceptedAt: acceptedAt,
            durableAt: Moment(microseconds: stored.recordedAt.microseconds),
            segment: SegmentAnswer(first: header.firstSequence, count: UInt64(header.count)),
            receipt: receipt)
    }

    private static func receipt(
        _ sequence: UInt64, of stream: StreamRow, _ database: Database
    ) throws -> AgentJourneyAnswer.Receipt? {
        let row = try Row.fetchOne(
            database,
            sql: """
                SELECT first_seq, through_seq, published_at, attempt, acknowledged_at, received_at, committed_at,
                    hub_position, waited_for
                FROM receipts WHERE stream = ?2 AND first_seq <= ?1 AND through_seq >= ?1
                ORDER BY first_seq DESC LIMIT 1
                """, arguments: [Int64(bitPattern: sequence), stream.id.rawValue])
        return row.map { row in
            AgentJourneyAnswer.Receipt(
                first: UInt64(row[0] as Int64), through: UInt64(row[1] as Int64),
                publishedAt: (row[2] as Int64?).map(Moment.init(microseconds:)),
                attempt: UInt64(row[3] as Int64),
                acknowledgedAt: Moment(microseconds: row[4]),
                receivedAt: Moment(microseconds: row[5]),
                committedAt: Moment(microseconds: row[6]),
                position: (row[7] as Int64?).map { UInt64($0) }, waitedFor: row[8])
        }
    }
}

/// The database in a data folder, and whose it is.
struct LogFile {
    enum Side: String {
        case agent
        case aggregator

        var fileName: String { "\(rawValue).db" }
    }

    let path: String
    let side: Side

    private static func isThere(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path)
    }

    /// - Throws: `TraceFailure.notFound` where there is none.
    static func find(_ path: String) throws -> LogFile {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw TraceFailure.notFound("there is no \(path)")
        }
        for side in [Side.agent, .aggregator] {
            let candidate = isFolder.boolValue ? "\(path)/\(side.fileName)" : path
            let isNamed =
                isFolder.boolValue || (path as NSString).lastPathComponent == side.fileName
            // Where only its mark is left, whoever reads it says that it is lost.
            if isNamed, FoundingMark.traces(of: candidate).contains(where: isThere) {
                return LogFile(path: candidate, side: side)
            }
        }
        guard !isFolder.boolValue else {
            throw TraceFailure.notFound("\(path) has neither agent.db nor aggregator.db")
        }
        // A copy under another name: whatever it is, it can be verified.
        return LogFile(path: path, side: .agent)
    }
}
