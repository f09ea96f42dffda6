import LedgerCore

/// A page of the balances as bytes: a version, then 40 bytes a cell, little-endian: account (4),
/// asset (4), input (16), output (16), both in the asset's smallest unit.
enum FoldPage {
    struct Cell: Hashable {
        let account: Balances.AccountNumber
        let asset: Balances.AssetNumber
        let input: Int128
        let output: Int128
    }

    static let version: UInt8 = 1
    static let cellByteCount = 40

    static func encode(_ cells: ArraySlice<Balances.Cell>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1 + cells.count * cellByteCount)
        bytes.append(version)
        for cell in cells {
            append(cell.account.value, to: &bytes)
            append(cell.asset.value, to: &bytes)
            append(cell.input, to: &bytes)
            append(cell.output, to: &bytes)
        }
        return bytes
    }

    /// - Throws: `InvalidValue` where the bytes are no page of this version.
    static func decode(_ bytes: [UInt8]) throws(InvalidValue) -> [Cell] {
        guard let first = bytes.first else { throw InvalidValue("a page of balances is empty") }
        guard first == version else {
            throw InvalidValue("a page of balances has the unknown version \(first)")
        }
        guard (bytes.count - 1) % cellByteCount == 0,
            bytes.count - 1 <= Balances.cellsPerPage * cellByteCount
        else {
            throw InvalidValue("a page of balances has \(bytes.count) bytes")
        }
        return bytes.withUnsafeBytes { pointer in
            stride(from: 1, to: pointer.count, by: cellByteCount).map { offset in
                Cell(
                    account: Balances.AccountNumber(load(pointer, offset)),
                    asset: Balances.AssetNumber(load(pointer, offset + 4)),
                    input: load(pointer, offset + 8), output: load(pointer, offset + 24))
            }
        }
    }

    private static func append<Value: FixedWidthInteger>(_ value: Value, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int
    ) -> Value {
        Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}
