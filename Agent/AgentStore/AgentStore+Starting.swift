import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

extension AgentStore {
    /// Everything a start needs: the folds at their checkpoint, brought up to the end of the log,
    /// and how far each stream is.
    package struct Loaded: Sendable {
        package var origin: AdmissionOrigin
        /// In the order in which they were written.
        package var streams: [StreamRecord]
        package var merged: [MergedBalances.Place: MergedBalances.Others]
        /// That were followed, in their order; the last one is.
        package var hubs: [HubRecord]

        /// The stream that is written.
        package var writing: StreamRecord {
            guard let found = streams.first(where: { $0.tag == origin.place.stream }) else {
                preconditionFailure("the stream that is written is one of the folder's")
            }
            return found
        }
    }

    static func load(_ writing: StreamRow, _ database: Database) throws -> Loaded {
        var replay = try Replay(writing, database)
        try replay.run(database)
        var origin = replay.origin()
        origin.latest = max(origin.latest, try PromisedTime.find(database))
        let streams = try OwnStreams.all(database).map { try record(of: $0, database) }
        let hubs = try HubTable.all(database)
        if let hub = hubs.last { origin.place.seen = hub.seen }
        return Loaded(
            origin: origin, streams: streams, merged: try MergedTable.load(database), hubs: hubs)
    }

    private static func record(
        of entry: OwnStreams.Entry, _ database: Database
    ) throws -> StreamRecord {
        let row = entry.row
        let pruned = row.pruned.map { ChainPoint(sequence: $0.through, hash: $0.hash) }
        let begin = pruned ?? ChainPoint(sequence: 0, hash: row.genesisHash)
        let head = try SegmentLog.end(database, of: row.id) ?? begin
        let acknowledged = max(
            try ReceiptTable.acknowledged(row.id, database), begin.sequence)
        return StreamRecord(
            genesis: row.genesis, genesisHash: row.genesisHash, head: head,
            acknowledged: min(acknowledged, head.sequence), lastSession: entry.lastSession,
            keptBehind: begin,
            bytesBehind: try byteCount(of: row, after: acknowledged, database), end: entry.end,
            confirmed: entry.confirmed?.through, confirmedAt: entry.confirmed?.at,
            finishedFor: entry.finishedFor)
    }

    /// The end of the written stream's chain behind an event, where its bytes are no more than the
    /// limit; else an empty one that begins at the head.
    package func tail(after sequence: UInt64, head: UInt64, byteCountMax: Int) throws(StoreError)
        -> OwnTail
    {
        guard
            case .segments(let found) = try segments(
                of: writing.tag, after: sequence, byteCountMax: byteCountMax)
        else { return OwnTail(head: head, byteCountMax: byteCountMax) }
        let isWhole = found.isEmpty ? head == sequence : found.last?.end.sequence == head
        guard isWhole, found.isEmpty || found[0].segment.header.firstSequence == sequence + 1 else {
            return OwnTail(head: head, byteCountMax: byteCountMax)
        }
        var tail = OwnTail(head: sequence, byteCountMax: byteCountMax)
        for sealed in found { tail.append(sealed.segment) }
        return tail
    }
}
