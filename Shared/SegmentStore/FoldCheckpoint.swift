import GRDB
import LedgerCore

/// The balances as they were at a position of the log, written behind the commits, so that a start
/// replays only the tail.
package enum FoldCheckpoint {
    /// A checkpoint that was read back.
    package struct Loaded: Sendable {
        package var balances: Balances
        /// Of the last segment counted in.
        package let position: Int64
        /// Applied up to there.
        package let transactions: Int64
    }

    /// Writes the pages that changed, the names that are new, and how far the balances reach.
    ///
    /// - Parameter changedPages: from `Balances.takeChangedPages`. Where the commit fails, keep
    ///   them for the next one: the balances no longer know that they changed.
    package static func save(
        _ database: Database, _ balances: Balances, changedPages: [Int], position: Int64,
        transactions: Int64
    ) throws(StoreError) {
        try saveNames(database, "fold_accounts", "address", balances.accounts.count) {
            balances.accounts[$0].description
        }
        try saveNames(database, "fold_assets", "asset", balances.assets.count) {
            balances.assets[$0].description
        }
        for page in changedPages {
            var insert = try SQLStatement(
                database, "INSERT OR REPLACE INTO fold_cells (page, bytes) VALUES (?, ?)")
            try insert.bind(page)
            try insert.bind(FoldPage.encode(balances.cells(ofPage: page)))
            try insert.run()
        }
        var insert = try SQLStatement(
            database,
            "INSERT OR REPLACE INTO fold_position (id, position, transactions) VALUES (1, ?, ?)")
        try insert.bind(position)
        try insert.bind(transactions)
        try insert.run()
    }

    /// - Returns: nil where nothing was ever saved.
    /// - Throws: `StoreError.corrupt` where the checkpoint makes no sense. The log has it all:
    ///   forget it, replay.
    package static func load(_ database: Database) throws(StoreError) -> Loaded? {
        var place = try SQLStatement(database, "SELECT position, transactions FROM fold_position")
        guard try place.step() else { return nil }
        let accounts = try loadNames(database, "fold_accounts", "address")
        let assets = try loadNames(database, "fold_assets", "asset")
        let pages = try loadPages(database)
        var balances = Balances()
        do throws(InvalidValue) {
            for name in accounts { _ = balances.intern(try AccountAddress(name)) }
            for name in assets { _ = balances.intern(try Asset(name)) }
            for page in pages {
                for cell in try FoldPage.decode(page) {
                    try balances.restore(
                        account: cell.account, asset: cell.asset, input: cell.input,
                        output: cell.output)
                }
            }
        } catch {
            throw .corrupt(
                place: "\(database.place), the checkpoint of the balances",
                detail: error.description)
        }
        return Loaded(
            balances: balances, position: place.integer(0), transactions: place.integer(1))
    }

    /// Forgets the checkpoint, so that the next start replays the whole log.
    package static func remove(_ database: Database) throws(StoreError) {
        for table in ["fold_position", "fold_cells", "fold_assets", "fold_accounts"] {
            try SQLStatement(database, "DELETE FROM \(table)").run()
        }
    }

    // MARK: Tables

    private static func saveNames(
        _ database: Database, _ table: String, _ column: String, _ count: Int,
        _ name: (Int) -> String
    ) throws(StoreError) {
        var select = try SQLStatement(database, "SELECT coalesce(max(number) + 1, 0) FROM \(table)")
        let saved = try select.step() ? Int(select.integer(0)) : 0
        for number in min(saved, count)..<count {
            var insert = try SQLStatement(
                database, "INSERT INTO \(table) (number, \(column)) VALUES (?, ?)")
            try insert.bind(number)
            try insert.bind(name(number))
            try insert.run()
        }
    }

    /// The names, whose numbers are their places.
    static func loadNames(_ database: Database, _ table: String, _ column: String)
        throws(StoreError) -> [String]
    {
        var select = try SQLStatement(
            database, "SELECT number, \(column) FROM \(table) ORDER BY number")
        var names: [String] = []
        while try select.step() {
            guard select.integer(0) == names.count else {
                throw .corrupt(
                    place: "\(database.place), \(table)", detail: "number \(names.count) is missing"
                )
            }
            names.append(select.text(1))
        }
        return names
    }

    private static func loadPages(_ database: Database) throws(StoreError) -> [[UInt8]] {
        var select = try SQLStatement(database, "SELECT page, bytes FROM fold_cells ORDER BY page")
        var pages: [[UInt8]] = []
        while try select.step() {
            guard select.integer(0) == pages.count else {
                throw .corrupt(
                    place: "\(database.place), fold_cells", detail: "page \(pages.count) is missing"
                )
            }
            pages.append(select.blob(1))
        }
        return pages
    }
}
