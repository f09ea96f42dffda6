import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// One consistent state of the rows, read by one thread.
final class ProjectionReader {
    let database: Database
    let limits: ProjectionLimits
    private let file: ProjectionFile
    private var addresses: [Int64: AccountAddress]
    private var hasNewAddresses = false
    private var assets: [Int64: Asset] = [:]
    private var segment: SegmentRow?

    /// A segment with its stream.
    struct SegmentRow {
        let position: Int64
        let agent: AgentID
        let stream: StreamTag
        let firstSequence: UInt64
        let events: UInt32
        let firstTransaction: Int64
        let branch: String?
        let publishedAt: Timestamp?
        let attempt: UInt32
        let receivedAt: Timestamp?
        let mergedAt: Timestamp

        func id(of transaction: Int64) -> EventID {
            EventID(
                agent: agent, stream: stream,
                sequence: firstSequence + UInt64(transaction - firstTransaction), branch: branch)
        }
    }

    init(_ database: Database, _ file: ProjectionFile, _ limits: ProjectionLimits) {
        self.database = database
        self.file = file
        self.limits = limits
        addresses = file.addresses.withLock { $0 }
    }

    deinit {
        guard hasNewAddresses else { return }
        let kept = addresses.count <= limits.namesMax ? addresses : [:]
        file.addresses.withLock { $0 = kept }
    }

    /// How far the rows are.
    func progress() throws(StoreError) -> (position: Int64, events: Int64) {
        var select = try SQLStatement(database, "SELECT position, events FROM progress")
        guard try select.step() else {
            throw ProjectionReader.damaged("it does not say how far it is")
        }
        return (select.integer(0), select.integer(1))
    }

    /// A place beyond all rows comes from before a rebuild that has not come so far again.
    func checked(_ place: SearchPlace?, _ events: Int64, bits: Int64) throws(StoreError) -> Int64 {
        let end = (events + 1) << bits
        guard let place else { return end }
        guard place.number <= end else {
            throw .unavailable("the projection has not come back so far yet; ask again")
        }
        return place.number
    }

    static func damaged(_ detail: String) -> StoreError {
        .corrupt(place: ProjectionSchema.place, detail: detail)
    }

    // MARK: Names

    func account(_ address: AccountAddress) throws(StoreError) -> Int64? {
        var select = try SQLStatement(database, "SELECT id FROM account WHERE address = ?")
        try select.bind(address.description)
        return try select.step() ? select.integer(0) : nil
    }

    func address(_ number: Int64) throws(StoreError) -> AccountAddress {
        if let known = addresses[number] { return known }
        let text = try name(number, "SELECT address FROM account WHERE id = ?")
        let address = try ProjectionReader.valid { () throws(InvalidValue) in
            try AccountAddress(text)
        }
        addresses[number] = address
        hasNewAddresses = true
        return address
    }

    func asset(_ number: Int64) throws(StoreError) -> Asset {
        if let known = assets[number] { return known }
        let text = try name(number, "SELECT name FROM asset WHERE id = ?")
        let asset = try ProjectionReader.valid { () throws(InvalidValue) in try Asset(text) }
        assets[number] = asset
        return asset
    }

    private func name(_ number: Int64, _ sql: String) throws(StoreError) -> String {
        var select = try SQLStatement(database, sql)
        try select.bind(number)
        guard try select.step() else { throw ProjectionReader.damaged("name \(number) is missing") }
        return select.text(0)
    }

    static func valid<Value>(_ make: () throws(InvalidValue) -> Value) throws(StoreError) -> Value {
        do throws(InvalidValue) { return try make() } catch { throw damaged(error.description) }
    }

    // MARK: Segments

    /// Rows of one segment stand together, so the last one is kept.
    func segment(_ position: Int64) throws(StoreError) -> SegmentRow {
        if let segment, segment.position == position { return segment }
        var select = try SQLStatement(
            database,
            """
            SELECT s.agent, s.tag, g.first_sequence, g.events, g.first_transaction, g.published_at,
              g.attempt, g.received_at, g.merged_at, g.branch
            FROM segment g JOIN stream s ON s.id = g.stream WHERE g.position = ?
            """)
        try select.bind(position)
        guard try select.step() else {
            throw ProjectionReader.damaged("segment \(position) is missing")
        }
        let (agent, tag) = (select.text(0), select.text(1))
        let found = SegmentRow(
            position: position,
            agent: try ProjectionReader.valid { () throws(InvalidValue) in try AgentID(agent) },
            stream: try ProjectionReader.valid { () throws(InvalidValue) in try StreamTag(tag) },
            firstSequence: UInt64(clamping: select.integer(2)),
            events: UInt32(clamping: select.integer(3)), firstTransaction: select.integer(4),
            branch: select.isNull(9) ? nil : select.text(9), publishedAt: select.time(5),
            attempt: UInt32(clamping: select.integer(6)),
            receivedAt: select.time(7), mergedAt: Timestamp(microseconds: select.integer(8)))
        segment = found
        return found
    }
}

extension SQLStatement {
    func time(_ column: CInt) -> Timestamp? {
        isNull(column) ? nil : Timestamp(microseconds: integer(column))
    }
}
