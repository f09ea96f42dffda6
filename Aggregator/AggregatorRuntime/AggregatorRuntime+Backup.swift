import LedgerCore
import LedgerStoreSQLite
import SegmentStore
import Signing
import Workers

extension AggregatorRuntime {
    /// Copies a data folder into one new file, also while an aggregator works in it. What is made
    /// from the log, the rows that searches read, and spans are not in it.
    ///
    /// - Throws: `StoreError`, `DeviceKey.Failure`; then there is no file of that name.
    package static func backUp(
        dataFolder: String, to file: String, softwareVersion: String
    ) throws {
        let database = "\(dataFolder)/\(databaseName)"
        guard let seed = try DeviceKey.seed(in: dataFolder) else {
            throw StoreError.unavailable(
                "\(dataFolder) is not the data folder of an aggregator: it has no "
                    + DeviceKey.fileName)
        }
        let label = BackupFile.Label(
            madeAt: WallClock.now(), softwareVersion: softwareVersion, seed: seed)
        try LedgerBackup.make(file, of: database, label)
    }

    /// Makes a data folder from a backup. Whoever starts in it goes on in another stream of the hub.
    ///
    /// - Parameter dataFolder: empty, or not there yet.
    /// - Returns: when the backup was made.
    /// - Throws: `StoreError`, `DeviceKey.Failure`.
    package static func restore(_ file: String, into dataFolder: String) throws -> Timestamp {
        let folder = try DataFolder(path: dataFolder)
        let label = try LedgerBackup.restore(file, into: folder, name: databaseName)
        try DeviceKey.restore(seed: label.seed, folder: dataFolder)
        return label.madeAt
    }
}
