import GRDB
import LedgerCore
import SegmentStore

/// The numbers that stand for names in the rows, as the writer needs them: a name gets the next one
/// when it first comes, so that the same log always gives the same numbers.
struct NameNumbers {
    private var accounts: [AccountAddress: Int64] = [:]
    private var assets: [Asset: Int64] = [:]
    private var streams: Set<StreamID> = []
    private let namesMax: Int

    init(namesMax: Int) {
        self.namesMax = namesMax
    }

    mutating func number(
        _ account: AccountAddress, _ database: Database
    ) throws(StoreError) -> Int64 {
        if let known = accounts[account] { return known }
        if accounts.count >= namesMax { accounts.removeAll(keepingCapacity: true) }
        let number = try NameNumbers.number(
            database, account.description, "SELECT id FROM account WHERE address = ?",
            "INSERT INTO account (address) VALUES (?)")
        accounts[account] = number
        return number
    }

    mutating func number(_ asset: Asset, _ database: Database) throws(StoreError) -> Int64 {
        if let known = assets[asset] { return known }
        if assets.count >= namesMax { assets.removeAll(keepingCapacity: true) }
        let number = try NameNumbers.number(
            database, asset.description, "SELECT id FROM asset WHERE name = ?",
            "INSERT INTO asset (name) VALUES (?)")
        assets[asset] = number
        return number
    }

    /// A stream has the number that it has in the log.
    mutating func number(_ stream: StreamRow, _ database: Database) throws(StoreError) -> Int64 {
        guard streams.insert(stream.id).inserted else { return stream.id.rawValue }
        var insert = try SQLStatement(
            database,
            "INSERT INTO stream (id, tag, agent) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        try insert.bind(stream.id.rawValue)
        try insert.bind(stream.tag.description)
        try insert.bind(stream.genesis.agent.description)
        try insert.run()
        return stream.id.rawValue
    }

    private static func number(
        _ database: Database, _ name: String, _ find: String, _ add: String
    ) throws(StoreError) -> Int64 {
        var select = try SQLStatement(database, find)
        try select.bind(name)
        if try select.step() { return select.integer(0) }
        var insert = try SQLStatement(database, add)
        try insert.bind(name)
        try insert.run()
        return database.lastInsertedRowID
    }
}

extension SQLStatement {
    /// A sum: an integer where it fits 64 bits, else its digits.
    mutating func bind(sum: Int128) throws(StoreError) {
        if let small = Int64(exactly: sum) { try bind(small) } else { try bind(String(sum)) }
    }

    func sum(_ column: CInt) throws(StoreError) -> Int128 {
        guard let sum = Int128(text(column)) else {
            throw .corrupt(place: ProjectionSchema.place, detail: "a sum is not a number")
        }
        return sum
    }
}
