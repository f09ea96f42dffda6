import LedgerCore
import SyncProtocol

/// What is done to bytes to see who believes them.
extension SplitMix64 {
    /// Flips, overwrites, inserts, removes or repeats a few bytes in `range`.
    package mutating func damage(_ bytes: inout [UInt8], in range: Range<Int>) {
        for _ in 0...below(4) where !range.isEmpty {
            let place = range.lowerBound + below(range.count)
            guard place < bytes.count else { continue }
            switch below(6) {
            case 0: bytes[place] ^= 1 << UInt8(below(8))
            case 1: bytes[place] = UInt8(truncatingIfNeeded: next())
            case 2: bytes[place] = [0x00, 0x01, 0x7F, 0x80, 0xFF][below(5)]
            case 3: bytes.insert(UInt8(truncatingIfNeeded: next()), at: place)
            case 4: bytes.remove(at: place)
            default:
                bytes.insert(
                    contentsOf: bytes[place..<min(bytes.count, place + 1 + below(16))], at: place)
            }
        }
    }
}

/// Ends the bytes with the right checksum, in the place of the four that were there.
package func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
    let content = bytes.dropLast(4)
    let checksum = CRC32C.checksum(content)
    return content + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * UInt32($0))) }
}
