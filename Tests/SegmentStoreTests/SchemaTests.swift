import GRDB
import SegmentStore
import Testing

@Suite struct SchemaTests {
    /// A released migration never changes. Where this fails, do not change what is expected: write
    /// a new migration.
    @Test func `the schema is the one that was released`() throws {
        let folder = try ScratchFolder()
        let own = LogMigration(id: "side-1") {
            try $0.execute(sql: "CREATE TABLE own (id INTEGER PRIMARY KEY)")
        }
        let database = try LogDatabase(path: folder.database, migrations: [own])
        let found = try database.read { database in
            try String.fetchAll(
                database,
                sql:
                    "SELECT type || ' ' || name || ' ' || ifnull(sql, '') FROM sqlite_master ORDER BY name"
            )
        }
        #expect(
            SchemaTests.digest(found) == SchemaTests.released, "\(found.joined(separator: "\n"))")
        let identifiers = try database.read { database in
            try String.fetchAll(
                database, sql: "SELECT identifier FROM grdb_migrations ORDER BY rowid")
        }
        #expect(
            identifiers == [
                "shared-1-log", "shared-2-keys", "shared-3-fold", "shared-4-branches", "side-1",
            ])
        #expect(
            try database.read { try Int.fetchOne($0, sql: "PRAGMA application_id") } == 0x5452_4942)
    }

    static let released = "b82cf374ba76fb68b95e2aed2b881a1d153339acc1f95b54e7330dab836b2504"

    /// The statements without their comments and line breaks, by SHA-256.
    static func digest(_ statements: [String]) -> String {
        let plain = statements.map { statement in
            statement.split(separator: "\n")
                .map { line in
                    line.prefix(upTo: line.firstRange(of: "--")?.lowerBound ?? line.endIndex)
                }
                .joined(separator: " ").split(separator: " ").joined(separator: " ")
        }
        return TestStream.hasher.sha256([], Array(plain.joined(separator: "\n").utf8)).description
    }
}
