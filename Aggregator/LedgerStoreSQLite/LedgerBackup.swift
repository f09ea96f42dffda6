import GRDB
import LedgerCore
import SegmentStore

/// Backups of an aggregator's data folder: each opens into another stream of the hub only.
package enum LedgerBackup {
    /// Copies the database into a new file, also while its aggregator runs.
    ///
    /// - Parameter label: with the key that signs the hub's streams.
    package static func make(
        _ file: String, of database: String, _ label: BackupFile.Label
    ) throws(StoreError) {
        try BackupFile.make(file, of: database, label) { copy in
            guard try copy.tableExists("aggregator"), try LedgerStore.findHub(copy) != nil else {
                throw InvalidValue("\(database) is not the database of an aggregator")
            }
            guard try copy.columns(in: "aggregator").contains(where: { $0.name == "is_restored" })
            else {
                throw InvalidValue(
                    "\(database) was written by an older version: start the aggregator once, and "
                        + "back it up then")
            }
            try copy.execute(sql: "UPDATE aggregator SET is_restored = 1")
        }
    }

    /// Copies a backup into an empty folder, which opens once it has the key too.
    package static func restore(
        _ file: String, into folder: DataFolder, name: String
    ) throws(StoreError) -> BackupFile.Label {
        try BackupFile.restore(file, into: folder, name: name) { database in
            guard try database.tableExists("aggregator") else {
                throw InvalidValue("this is the backup of an agent")
            }
        }
    }
}
