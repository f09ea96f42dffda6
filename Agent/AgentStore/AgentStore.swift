import AgentCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol
import Synchronization

/// The agent's database: the log of its streams, their receipts, and the checkpoints of its folds.
///
/// **Overview.** One thread writes, through `commit` and `draw`; any thread reads. What a commit
/// wrote is durable when it returns. The balances and keys live in memory; `commit` writes their
/// checkpoint now and then, and `load` replays what lies behind it.
///
/// **Streams.** A folder writes one stream, and keeps those that it wrote before, each with its own
/// chain, dictionary, receipts and marks of retention. Balances, keys and the clock are of all of
/// them.
package final class AgentStore: Sendable {
    package let agent: AgentID
    package let ledger: String
    package let reader: LogReader
    /// Why opening the folder drew another stream; nil where it did not, and for the first.
    package let drawnAtStart: StreamEnd?
    let database: LogDatabase
    private let publicKey: PublicKey
    let hasher: any ContentHasher
    private let own: Mutex<Own>
    /// What opening has read, for the first `load`; nil once something was written.
    private let firstLook: Mutex<Loaded?>

    /// The streams of this folder; what is pruned of them moves on without their rows here.
    private struct Own {
        var writing: StreamRow
        /// In the order in which they were written.
        var all: [StreamRow]
    }

    /// What a new stream needs.
    package struct Founding: Sendable {
        package var nonce: [UInt8]
        package var publicKey: PublicKey

        package init(nonce: [UInt8], publicKey: PublicKey) {
            self.nonce = nonce
            self.publicKey = publicKey
        }
    }

    /// Opens the folder's database, and draws a stream when it has none, or must not go on with the
    /// one it has.
    ///
    /// - Throws: `StoreError`; `refused` where the folder belongs to another agent or ledger, or
    ///   the key is not the stream's.
    package init(
        path: String, options: LogOptions = LogOptions(), agent: AgentID, ledger: String,
        founding: Founding, hasher: any ContentHasher, now: Timestamp
    ) throws(StoreError) {
        var firstLook: Loaded?
        let database = try LogDatabase(
            path: path, options: options, migrations: AgentTables.migrations
        ) { database, isCurrent in
            let own = try AgentStore.own(agent, ledger, founding, database)
            try FoundingMark.check(path, holdsOneOf: own?.all ?? [])
            // All that a start reads is read before anything is written: what it finds damaged
            // stays as it is.
            if let own, isCurrent { firstLook = try AgentStore.load(own.writing, database) }
        }
        let (existing, mustDraw) = try database.read { database in
            (
                try AgentStore.own(agent, ledger, founding, database),
                try OwnStreams.mustDraw(database)
            )
        }
        let genesis = Genesis(
            writer: .agent, ledger: ledger, agent: agent, nonce: founding.nonce,
            publicKey: founding.publicKey)
        let end = mustDraw.map { StreamEnd(.restored, detail: $0, at: now) }
        let own: Own
        if let existing, end == nil {
            own = existing
        } else {
            own = try AgentStore.draw(genesis, behind: existing, end, database, hasher)
            firstLook = nil
        }
        drawnAtStart = end
        try FoundingMark.keep(own.all[0], beside: path)
        self.firstLook = Mutex(firstLook)
        self.agent = agent
        self.ledger = ledger
        self.own = Mutex(own)
        publicKey = founding.publicKey
        self.hasher = hasher
        self.database = database
        reader = LogReader(database, hasher: hasher)
    }

    /// The folder's streams; nil where it has none yet.
    ///
    /// - Throws: `refused` where folder and key are another's.
    private static func own(
        _ agent: AgentID, _ ledger: String, _ founding: Founding, _ database: Database
    ) throws -> Own? {
        guard try Identity.isThere(database), let identity = try Identity.find(database) else {
            return nil
        }
        guard identity.agent == agent.description else {
            throw InvalidValue(
                "this data folder belongs to agent \(identity.agent), not to \(agent)")
        }
        guard identity.ledger == ledger else {
            throw InvalidValue(
                "this data folder belongs to ledger \(identity.ledger), not to \(ledger)")
        }
        // An agent's log has no other streams than its own.
        let streams = try SegmentLog.streams(database)
        guard let writing = streams.first(where: { $0.id.rawValue == identity.stream }) else {
            throw StoreError.corrupt(
                place: "table identity", detail: "stream \(identity.stream) is not in table streams"
            )
        }
        guard writing.genesis.publicKey == founding.publicKey else {
            throw InvalidValue("device.key is not the key that this folder's stream began with")
        }
        return Own(writing: writing, all: streams)
    }

    /// - Returns: what went wrong, if anything; nothing committed is lost by it.
    package func close() -> StoreError? {
        database.close()
    }

    /// Whether the disk failed in a way after which nothing may be written until the database is
    /// opened again.
    package var isBroken: Bool { database.isBroken }

    // MARK: Streams

    /// The stream that is written.
    package var writing: StreamRow { own.withLock { $0.writing } }

    /// All streams of the folder, in the order in which they were written.
    package var streams: [StreamRow] { own.withLock { $0.all } }

    /// - Returns: nil for a stream that is none of this folder's.
    package func row(_ stream: StreamTag) -> StreamRow? {
        own.withLock { own in
            own.writing.tag == stream ? own.writing : own.all.first { $0.tag == stream }
        }
    }

    func known(_ stream: StreamTag) throws(StoreError) -> StreamRow {
        guard let row = row(stream) else {
            throw .unavailable("stream \(stream) is none of this data folder")
        }
        return row
    }

    /// Ends the stream that is written and begins another, in one transaction.
    ///
    /// To be called by the thread that writes, when all that was admitted is written.
    ///
    /// - Parameter nonce: random, so that no two streams are alike.
    /// - Throws: nothing has changed then, unless the database says otherwise when it is read again:
    ///   `load` does.
    package func draw(nonce: [UInt8], _ end: StreamEnd) throws(StoreError) -> StreamRecord {
        forgetFirstLook()
        let genesis = Genesis(
            writer: .agent, ledger: ledger, agent: agent, nonce: nonce, publicKey: publicKey)
        let before = own.withLock { $0 }
        let after = try AgentStore.draw(genesis, behind: before, end, database, hasher)
        own.withLock { $0 = after }
        return StreamRecord(
            genesis: after.writing.genesis, genesisHash: after.writing.genesisHash)
    }

    /// - Parameter before: nil for the first stream of a folder.
    private static func draw(
        _ genesis: Genesis, behind before: Own?, _ end: StreamEnd?, _ database: LogDatabase,
        _ hasher: any ContentHasher
    ) throws(StoreError) -> Own {
        try database.commit(usingReserve: true) { database in
            let stream = try SegmentLog.addStream(database, genesis, hash: genesis.hash(hasher))
            if let before {
                if let end { try OwnStreams.setEnd(end, of: before.writing.id, database) }
                try Identity.setStream(stream.id.rawValue, database)
            } else {
                try Identity(
                    agent: genesis.agent.description, ledger: genesis.ledger,
                    stream: stream.id.rawValue
                ).insert(database)
            }
            try OwnStreams.insert(stream.id, database)
            try OwnStreams.setMustDraw(nil, database)
            return Own(writing: stream, all: (before?.all ?? []) + [stream])
        }.value
    }

    // MARK: Starting

    package func load() throws(StoreError) -> Loaded {
        if let loaded = firstLook.withLock({ $0.take() }) { return loaded }
        let agent = agent
        let ledger = ledger
        let founding = Founding(nonce: [], publicKey: publicKey)
        let (own, loaded) = try database.read { database in
            // A write that failed may have taken place, and drawn a stream.
            guard let own = try AgentStore.own(agent, ledger, founding, database) else {
                throw StoreError.corrupt(place: "table identity", detail: "it is empty")
            }
            return (own, try AgentStore.load(own.writing, database))
        }
        self.own.withLock { $0 = own }
        return loaded
    }

    /// To be called before anything is written that `load` reads.
    func forgetFirstLook() {
        firstLook.withLock { $0 = nil }
    }
}
