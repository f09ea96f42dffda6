import GRDB
import LedgerCore
import SegmentStore

/// Backups of an agent's data folder: each opens into another stream only.
package enum AgentBackup {
    /// Copies the database into a new file, also while its agent runs.
    ///
    /// - Parameter label: with the key that signs the folder's streams.
    package static func make(
        _ file: String, of database: String, _ label: BackupFile.Label
    ) throws(StoreError) {
        try BackupFile.make(file, of: database, label) { copy in
            guard try Identity.isThere(copy), try Identity.find(copy) != nil else {
                throw InvalidValue("\(database) is not the database of an agent")
            }
            guard try copy.tableExists("must_draw") else {
                throw InvalidValue(
                    "\(database) was written by an older version: start the agent once, and back it "
                        + "up then")
            }
            try OwnStreams.setMustDraw(
                "this data folder was restored from a backup", copy)
        }
    }

    /// Copies a backup into an empty folder, which opens once it has the key too.
    package static func restore(
        _ file: String, into folder: DataFolder, name: String
    ) throws(StoreError) -> BackupFile.Label {
        try BackupFile.restore(file, into: folder, name: name) { database in
            guard try Identity.isThere(database) else {
                throw InvalidValue("this is the backup of an aggregator")
            }
        }
    }
}
