import AgentStore
import LedgerCore
import SegmentStore
import Signing
import Workers

extension AgentRuntime {
    static let databaseName = "agent.db"

    /// Copies a data folder into one new file, also while an agent works in it.
    ///
    /// - Throws: `StoreError`, `DeviceKey.Failure`; then there is no file of that name.
    package static func backUp(
        dataFolder: String, to file: String, softwareVersion: String
    ) throws {
        let database = "\(dataFolder)/\(databaseName)"
        guard let seed = try DeviceKey.seed(in: dataFolder) else {
            throw StoreError.unavailable(
                "\(dataFolder) is not the data folder of an agent: it has no \(DeviceKey.fileName)")
        }
        let label = BackupFile.Label(
            madeAt: WallClock.now(), softwareVersion: softwareVersion, seed: seed)
        try AgentBackup.make(file, of: database, label)
    }

    /// Makes a data folder from a backup. Whoever starts in it goes on in another stream.
    ///
    /// - Parameter dataFolder: empty, or not there yet.
    /// - Returns: when the backup was made.
    /// - Throws: `StoreError`, `DeviceKey.Failure`.
    package static func restore(_ file: String, into dataFolder: String) throws -> Timestamp {
        let folder = try DataFolder(path: dataFolder)
        let label = try AgentBackup.restore(file, into: folder, name: databaseName)
        try DeviceKey.restore(seed: label.seed, folder: dataFolder)
        return label.madeAt
    }
}
