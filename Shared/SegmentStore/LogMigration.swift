import GRDB

/// One step from an older schema to the next. Its id and what it does never change once released: a
/// change is a new step.
package struct LogMigration: Sendable {
    package let id: String
    let body: @Sendable (Database) throws -> Void

    /// - Parameter id: unlike any other's, such as `agent-1-outbox`.
    package init(id: String, body: @escaping @Sendable (Database) throws -> Void) {
        self.id = id
        self.body = body
    }
}

extension LogMigration {
    /// Brings the database up to date: what both sides share first, then the side's own. Nothing is
    /// ever erased.
    ///
    /// - Throws: as `checkBeforeOpening`, which an interrupted first opening passes by.
    static func migrate(_ pool: DatabasePool, own: [LogMigration]) throws(StoreError) {
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        for migration in shared + own {
            migrator.registerMigration(migration.id, migrate: migration.body)
        }
        do {
            _ = try pool.read { try check($0, own: own) }
            try migrator.migrate(pool)
        } catch {
            throw StoreError(error, at: pool.path)
        }
    }

    /// Looks at a database before it is opened for writing, through a connection that can only
    /// read: GRDB writes to every database that it opens in WAL mode, and what is not ours, or
    /// beyond us, must stay as it is.
    ///
    /// - Throws: `StoreError.newer` where it has taken steps that this program does not know;
    ///   `.corrupt` where it is another program's.
    static func checkBeforeOpening(
        _ location: String, own: [LogMigration],
        check ownCheck: (Database, _ isCurrent: Bool) throws -> Void
    ) throws(StoreError) {
        var reading = Configuration()
        reading.readonly = true
        reading.busyMode = .timeout(5)
        do {
            let queue = try DatabaseQueue(path: location, configuration: reading)
            try queue.read {
                let isCurrent = try check($0, own: own)
                try ownCheck($0, isCurrent)
            }
            try queue.close()
        } catch {
            throw StoreError(error, at: location)
        }
    }

    /// - Returns: whether it has taken all steps.
    private static func check(_ database: Database, own: [LogMigration]) throws -> Bool {
        try checkOwner(database)
        let known = Set((shared + own).map(\.id))
        let applied = try DatabaseMigrator().appliedIdentifiers(database)
        let unknown = applied.subtracting(known).sorted()
        guard unknown.isEmpty else {
            throw StoreError.newer(
                "\(database.place) was written by a newer version of this program, or by another one: it has "
                    + "the schema \(unknown.joined(separator: ", ")). Install that version; nothing was changed"
            )
        }
        return known.isSubset(of: applied)
    }

    /// Refuses a database of some other program, which our steps would spoil.
    private static func checkOwner(_ database: Database) throws(StoreError) {
        var owner = try SQLStatement(database, "PRAGMA application_id")
        let id = try owner.step() ? owner.integer(0) : 0
        guard id != applicationID else { return }
        var tables = try SQLStatement(
            database,
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'grdb%'")
        let isEmpty = try tables.step() && tables.integer(0) == 0
        guard id == 0 && isEmpty else {
            throw .corrupt(place: database.place, detail: "it is a database of another program")
        }
    }
}
