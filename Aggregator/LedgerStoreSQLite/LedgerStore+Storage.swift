import SegmentStore

extension LedgerStore {
    /// The database's size, in bytes.
    package func storageBytes() throws(StoreError) -> UInt64 {
        UInt64(try database.read { try SegmentLog.statistics($0) }.byteCount)
    }
}
